/* progress.c: what a long verb shows while it works and says when it ends. On a terminal one line with a bar
 * is redrawn; a log gets a plain line now and then. The few variables here are the program's one stderr and
 * its two signals, of which there is one each. */
#include "cli.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 20, BAR_SECONDS = 1, PLAIN_SECONDS = 10 };

static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER; /* bad photos are told by worker threads */
static bool bar_shown;
static double last_shown;
static volatile sig_atomic_t stop_asked;

double cli_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool on_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static size_t terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void cli_progress_suspend(void) {
    pthread_mutex_lock(&stderr_lock);
    if (bar_shown) fputs("\r\033[K", stderr);
    bar_shown = false;
}

void cli_progress_resume(void) {
    pthread_mutex_unlock(&stderr_lock);
}

void cli_progress(double share, bool last, const char *format, ...) {
    bool terminal = on_terminal();
    double now = cli_seconds();
    if (last_shown <= 0) last_shown = now; /* a verb that ends at once shows nothing */
    /* Callers come about once a second; a tenth of slack keeps every second of theirs. */
    if (!last && now - last_shown < (terminal ? BAR_SECONDS : PLAIN_SECONDS) - 0.1) return;
    last_shown = now;
    char text[256], bar[BAR_WIDTH + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!(share > 0)) share = 0;
    if (share > 1) share = 1;
    for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < share * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    cli_progress_suspend();
    if (terminal && !last) {
        char line[sizeof text + sizeof bar + 16];
        snprintf(line, sizeof line, "[%s] %3.0f %%  %s", bar, 100 * share, text);
        fprintf(stderr, "%.*s", (int)terminal_columns() - 1, line);
        bar_shown = true;
    } else {
        fprintf(stderr, "%3.0f %%  %s\n", 100 * share, text);
    }
    fflush(stderr);
    cli_progress_resume();
}

const char *cli_clock(double seconds, char text[32]) {
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e8) return "-";
    long s = lround(seconds);
    if (s >= 3600)
        snprintf(text, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 32, "%ld:%02ld", s / 60, s % 60);
    return text;
}

static void ask_stop(int signal_number) {
    (void)signal_number;
    stop_asked = 1;
}

void cli_catch_signals(void) {
    /* SA_RESETHAND: the second Ctrl-C acts as it would without us. */
    struct sigaction action = {.sa_handler = ask_stop, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    sigemptyset(&action.sa_mask);
    static const int numbers[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        struct sigaction before; /* a shell's background job ignores Ctrl-C, and so it stays */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

bool cli_stopped(void) {
    return stop_asked != 0;
}

void cli_usage_line(double started) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    cli_say("version " LK_VERSION ", %.1f s, cpu %.1f s, peak memory %.3f GB", cli_seconds() - started, cpu,
            (double)usage.ru_maxrss * 1024 / 1e9); /* ru_maxrss is in KiB on Linux */
}
