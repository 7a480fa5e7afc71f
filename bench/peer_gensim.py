"""peer_gensim.py TEXT SETTING DIM EPOCHS SEED OUTPUT: word2vec as gensim has it (Debian's python3-gensim), on one
thread. SETTING is sg:WINDOW or cbow:WINDOW; 5 negatives, subsampling 1e-4, words met 5 times or more, as here. Prints
CPU seconds of vocabulary and training, and the peak of memory in bytes; the vectors go to OUTPUT, word2vec's format."""
import resource
import sys
import time

from gensim.models import Word2Vec
from gensim.models.word2vec import LineSentence

text, setting, dim, epochs, seed, output = sys.argv[1:7]
kind, window = setting.split(":")
began = time.process_time()
model = Word2Vec(
    LineSentence(text), sg=int(kind == "sg"), window=int(window), vector_size=int(dim), epochs=int(epochs),
    seed=int(seed), workers=1, negative=5, sample=1e-4, min_count=5)
seconds = time.process_time() - began
model.wv.save_word2vec_format(output)
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
