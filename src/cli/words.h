/* words.h: the parts of likeness words: vectors of words, from plain text.
 *
 *   cmd_words.c     finds the action: train, near, ...
 *   words_train.c   text in, a model out
 *   words_ask.c     near, fill, analogy: words in, words out
 *   words_eval.c    eval: pairs of words that people judged
 *   words_map.c     map, export: a page to look at, a file for other programs
 */
#ifndef LIKENESS_CLI_WORDS_H
#define LIKENESS_CLI_WORDS_H

#include "cli.h"
#include "likeness/words.h"

/* argv[0] is "likeness words ACTION". The value is the exit code. */
int words_train(int argc, char **argv);
int words_near(int argc, char **argv);
int words_fill(int argc, char **argv);
int words_analogy(int argc, char **argv);
int words_eval(int argc, char **argv);
int words_map(int argc, char **argv);
int words_export(int argc, char **argv);

#endif
