/* ranks_mpi.c: `mpirun -n N likeness train ...`: how N processes that train one net talk (lk_ranks, train.h),
 * over MPI.
 *
 * Only the program knows MPI. The library has lk_ranks in its place: linked into the library, MPI would come
 * into every program that looks up a face, and a host with an MPI of its own could not use it. Linked here it
 * costs a start of the program 1.4 ms, and MPI_Init, which takes 0.3 s, is called by `train`
 * alone and only when a launcher started it. Built without MPI (LK_MPI unset) there is only the answer that
 * this cannot be done.
 *
 * Sums of gradients go on while backward computes. MPI may move data only while it is called, and the
 * computing thread calls it seldom; so a thread of its own looks after what is on its way. All calls are
 * under one lock (MPI_THREAD_SERIALIZED), as few MPIs allow more at full speed.
 *
 * Every rank that fails ends all of them (MPI_Abort), since the others would wait for it for ever. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What launchers tell their processes: Open MPI's mpirun, MPICH's and Slurm's PMI, Slurm's PMIx. */
static const char *const size_names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"};
static const char *const rank_names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};

static int number_of(const char *const *names, int count) {
    for (int i = 0; i < count; i++) {
        const char *text = getenv(names[i]);
        if (text && *text) return (int)strtol(text, NULL, 10);
    }
    return -1;
}

/* SLURM_NTASKS alone is set in a batch script too, in which this may be the only process: a rank says more.
 */
static int launched_rank(void) {
    return number_of(rank_names, 3);
}

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* All ranks tend to fail alike (a folder that is not there): rank 0 says it and ends the job before the
 * others do. */
enum { RANK_0_FIRST_SECONDS = 1 };

#ifndef LK_MPI

int cli_ranks_begin(cli_ranks **out) {
    *out = NULL;
    int rank = launched_rank(), size = number_of(size_names, 3);
    if (rank < 0 || size < 2) return CLI_OK;
    if (rank > 0)
        rest(RANK_0_FIRST_SECONDS);
    else
        cli_say("started as %d ranks, but this build has no MPI: install its development package (Debian: "
                "libopenmpi-dev) and build again, or start it alone",
                size);
    return CLI_USAGE;
}

void cli_ranks_meet(cli_ranks *ranks) {
    (void)ranks;
}
const lk_ranks *cli_ranks_talk(const cli_ranks *ranks) {
    (void)ranks;
    return NULL;
}
int cli_ranks_threads(cli_ranks *ranks) {
    (void)ranks;
    return 0;
}
void cli_ranks_resume(cli_ranks *ranks, const char *checkpoint, const char *command) {
    (void)ranks;
    (void)checkpoint;
    (void)command;
}
void cli_ranks_fail(cli_ranks *ranks, int code, const char *message) {
    (void)ranks;
    (void)code;
    if (message) cli_say("%s", message);
}
void cli_ranks_end(cli_ranks *ranks) {
    (void)ranks;
}

#else

#include <mpi.h>
#include <pthread.h>
#include <sched.h>

/* Between two looks at what is on its way: a look takes about a microsecond, and small sums half a dozen
 * looks. */
static const double LOOK_SECONDS = 100e-6;
/* A wait is a spin at first, since most take less than that; after it the core is better used by the loader.
 */
static const double SPIN_SECONDS = 1e-3;
/* mpirun sends SIGTERM when a rank has died, and SIGKILL one second after. */
static const double GIVE_UP_SECONDS = 0.5;
/* Larger sums go in pieces: the count of an MPI call is an int, and an int of floats overflows some MPIs'
 * bytes. */
enum { PIECE_MAX = 1 << 28 };

struct cli_ranks {
    lk_ranks talk;
    const char *checkpoint, *command; /* NULL before they are known */
    pthread_t thread;
    pthread_mutex_t lock; /* guards MPI itself and what follows */
    pthread_cond_t begun;
    MPI_Request *requests;
    int count;
    bool quit, told;
};

/* ---- waiting ------------------------------------------------------------------------------------ */

static bool all_done(MPI_Request *requests, int count) {
    int done = 1;
    for (int i = 0; i < count && done; i++)
        MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE); /* moves all of them */
    return done;
}

/* A rank that was asked to stop and still waits for others waits for one that is gone, most likely: that
 * one's own last words or mpirun's tell why, ours what to do. */
static void tell_if_stuck(cli_ranks *r, double *stop_seen) {
    if (r->told || !r->command || r->talk.rank > 0 || !cli_stopped()) return;
    double now = cli_seconds();
    if (*stop_seen <= 0) *stop_seen = now;
    if (now - *stop_seen < GIVE_UP_SECONDS) return;
    r->told = true;
    if (access(r->checkpoint, F_OK) == 0)
        cli_say("the other ranks do not answer: one has ended, and with it all do. The last checkpoint is "
                "intact; to "
                "go on: %s",
                r->command);
    else
        cli_say("the other ranks do not answer: one has ended, and with it all do, before there was a "
                "checkpoint");
}

/* With the lock. */
static void wait_for(cli_ranks *r, MPI_Request *requests, int count) {
    double began = cli_seconds(), stop_seen = 0;
    while (!all_done(requests, count)) {
        if (cli_seconds() - began < SPIN_SECONDS) continue;
        tell_if_stuck(r, &stop_seen);
        rest(LOOK_SECONDS);
    }
}

static void *look_after(void *context) {
    cli_ranks *r = context;
    pthread_mutex_lock(&r->lock);
    while (!r->quit) {
        if (r->count == 0) {
            pthread_cond_wait(&r->begun, &r->lock);
            continue;
        }
        (void)all_done(r->requests, r->count); /* they stay, done, until sum_finish */
        pthread_mutex_unlock(&r->lock);
        rest(LOOK_SECONDS);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- lk_ranks ----------------------------------------------------------------------------------- */

static void sum(void *context, double *values, size_t n) {
    cli_ranks *r = context;
    pthread_mutex_lock(&r->lock);
    for (size_t at = 0; at < n; at += PIECE_MAX) {
        int count = n - at < PIECE_MAX ? (int)(n - at) : PIECE_MAX;
        MPI_Request request;
        MPI_Iallreduce(MPI_IN_PLACE, values + at, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD, &request);
        wait_for(r, &request, 1);
        MPI_Wait(&request, MPI_STATUS_IGNORE); /* done by now; every start has its wait */
    }
    pthread_mutex_unlock(&r->lock);
}

static void sum_start(void *context, float *values, size_t n) {
    cli_ranks *r = context;
    pthread_mutex_lock(&r->lock);
    for (size_t at = 0; at < n; at += PIECE_MAX) {
        int count = n - at < PIECE_MAX ? (int)(n - at) : PIECE_MAX;
        r->requests = cli_grow(r->requests, (size_t)r->count + 1, sizeof *r->requests);
        MPI_Iallreduce(MPI_IN_PLACE, values + at, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD,
                       &r->requests[r->count++]);
    }
    pthread_cond_signal(&r->begun);
    pthread_mutex_unlock(&r->lock);
}

static void sum_finish(void *context) {
    cli_ranks *r = context;
    pthread_mutex_lock(&r->lock);
    wait_for(r, r->requests, r->count);
    r->count = 0;
    pthread_mutex_unlock(&r->lock);
}

static void gather(void *context, const void *mine, size_t bytes, void *all) {
    cli_ranks *r = context;
    MPI_Request request;
    pthread_mutex_lock(&r->lock);
    /* At most 4096 vectors of one rank: far from an int's end. */
    MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD, &request);
    wait_for(r, &request, 1);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    pthread_mutex_unlock(&r->lock);
}

/* ---- life --------------------------------------------------------------------------------------- */

/* argp ends the program from within; without this mpirun would blame the process for not saying goodbye. */
static void at_exit(int code, void *ranks) {
    int over = 0;
    (void)ranks;
    MPI_Finalized(&over);
    if (over) return;
    fflush(stdout);
    MPI_Abort(MPI_COMM_WORLD, code);
}

int cli_ranks_begin(cli_ranks **out) {
    *out = NULL;
    if (launched_rank() < 0) return CLI_OK;
    int granted, size, told = number_of(size_names, 3);
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &granted);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size == 1) {
        MPI_Finalize();
        if (told < 2) return CLI_OK;
        /* Each would train alone and all would write one file. */
        if (launched_rank() > 0)
            rest(RANK_0_FIRST_SECONDS);
        else
            cli_say("started as %d ranks by the launcher of another MPI than this program is built with",
                    told);
        return CLI_USAGE;
    }
    cli_ranks *r = cli_alloc(1, sizeof *r);
    r->talk = (lk_ranks){0, size, r, sum, sum_start, sum_finish, gather};
    MPI_Comm_rank(MPI_COMM_WORLD, &r->talk.rank);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->begun, NULL);
    on_exit(at_exit, NULL);
    if (r->talk.rank > 0) cli_say_as(r->talk.rank);
    if (granted < MPI_THREAD_SERIALIZED || pthread_create(&r->thread, NULL, look_after, r) != 0) {
        cli_ranks_fail(r, CLI_SYSTEM, "this MPI allows no threads, or no thread could be started");
        exit(CLI_SYSTEM);
    }
    *out = r;
    return CLI_OK;
}

void cli_ranks_meet(cli_ranks *r) {
    double nothing = 0;
    if (r) sum(r, &nothing, 1);
}

const lk_ranks *cli_ranks_talk(const cli_ranks *r) {
    return r ? &r->talk : NULL;
}

int cli_ranks_threads(cli_ranks *r) {
    if (!r) return 0;
    MPI_Comm machine;
    int size, sharing = 0;
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
    pthread_mutex_lock(&r->lock);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, r->talk.rank, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &size);
    cpu_set_t *all = cli_alloc((size_t)size, sizeof *all);
    MPI_Allgather(&mine, (int)sizeof mine, MPI_BYTE, all, (int)sizeof mine, MPI_BYTE, machine);
    MPI_Comm_free(&machine);
    pthread_mutex_unlock(&r->lock);
    /* mpirun gives each rank cores of its own, or several the same ones. */
    for (int i = 0; i < size; i++) sharing += CPU_EQUAL(&mine, &all[i]) != 0;
    free(all);
    int cores = CPU_COUNT(&mine), threads = cores / sharing;
    if (cores < sharing && r->talk.rank == 0)
        cli_say("%d ranks share %d %s, and wait for each other: fewer ranks would be faster", sharing, cores,
                cores == 1 ? "core" : "cores");
    return threads > 0 ? threads : 1;
}

void cli_ranks_resume(cli_ranks *r, const char *checkpoint, const char *command) {
    if (!r) return;
    r->checkpoint = checkpoint;
    r->command = command;
}

void cli_ranks_fail(cli_ranks *r, int code, const char *message) {
    if (r && r->talk.rank > 0) rest(RANK_0_FIRST_SECONDS);
    /* A stop in the meantime: another rank has ended the job. */
    if (message && (!r || !cli_stopped())) cli_say("%s", message);
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    MPI_Abort(MPI_COMM_WORLD, code);
}

void cli_ranks_end(cli_ranks *r) {
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->quit = true;
    pthread_cond_signal(&r->begun);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    MPI_Finalize();
    pthread_cond_destroy(&r->begun);
    pthread_mutex_destroy(&r->lock);
    free(r->requests);
    free(r);
}

#endif
