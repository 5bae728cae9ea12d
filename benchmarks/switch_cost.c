/*
 * Two threads hand a byte to and fro, or one starts and joins threads, while another process has the kernel
 * record their switches in one of the ways there are. Options are NAME=NUMBER, see `options`; prints what it
 * took: ns of wall time and of CPU time, switches, records, lost ones, and CPU time and wakes of who drains.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_EVENTS 256
#define PAGE        4096u

static struct {
    const char *name;
    long value;
} options[] = {
    {"observe", 1},                                 /* 0: nobody does */
    {"threads", 0},                                 /* start and join threads instead of handing a byte */
    {"turns", 3000},                                /**/
    {"pin", 1},                                     /* 1: all on core 0; 2: each on a core; 0: anywhere */
    {"cores", 2},                                   /**/
    {"events", 1},                                  /* a core */
    {"config", PERF_COUNT_SW_DUMMY},                /**/
    {"sample", PERF_SAMPLE_TID | PERF_SAMPLE_TIME}, /* what is in the stamp behind each record */
    {"stamp", 1},                                   /**/
    {"switch", 1},                                  /**/
    {"task", 1},                                    /* births, ends and names */
    {"monotonic", 1},                               /* 0: the scheduler's own clock */
    {"inherit", 1},                                 /* 0: events of each thread, made for it */
    {"exclude_kernel", 1},                          /**/
    {"disabled", 0},                                /**/
    {"wide", 0},                                    /* of the whole system */
    {"ring", 2 << 20},                              /**/
    {"watermark", 128 << 10},                       /**/
    {"overwrite", 0}, /* 1: nobody drains; 2: and the ring is written backwards */
    {"poll", 0},      /* 1: wait in poll(); 0: for SIGIO */
};

typedef struct {
    _Atomic int state; /* 0 not yet, 1 observing, 2 failed, 3 to end */
    int error;
    pid_t process, tids[2];
    int64_t records, lost, wakes, cpu_ns;
} shared_page;

static shared_page *shared;
static pthread_barrier_t start_line;
static int pipes[2][2];

static long option(const char *name) {
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (strcmp(options[at].name, name) == 0)
            return options[at].value;
    abort();
}

static void set_option(char *text) {
    char *value = strchr(text, '=');
    for (size_t at = 0; value && at < sizeof options / sizeof *options; at++)
        if (strncmp(options[at].name, text, (size_t)(value - text)) == 0 &&
            options[at].name[value - text] == 0) {
            options[at].value = atol(value + 1);
            return;
        }
    fprintf(stderr, "no option %s\n", text);
    exit(2);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int open_event(pid_t tid, int core) {
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = (uint64_t)option("config");
    attr.sample_type = (uint64_t)option("sample");
    attr.sample_id_all = option("stamp") & 1;
    attr.context_switch = option("switch") & 1;
    attr.task = attr.comm = option("task") & 1;
    attr.inherit = option("inherit") & !option("wide");
    attr.exclude_kernel = option("exclude_kernel") & 1;
    attr.disabled = option("disabled") & 1;
    attr.use_clockid = option("monotonic") & 1;
    attr.clockid = attr.use_clockid ? CLOCK_MONOTONIC : 0;
    attr.write_backward = option("overwrite") == 2;
    attr.watermark = 1;
    attr.wakeup_watermark = (uint32_t)option("watermark");
    return (int)syscall(SYS_perf_event_open, &attr, option("wide") ? -1 : tid, core, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

static _Noreturn void fail(void) {
    shared->error = errno;
    shared->state = 2;
    _exit(1);
}

/* The first event of each core has the ring, the others write into it. */
static size_t observe(struct pollfd *fds, struct perf_event_mmap_page **rings) {
    size_t count = 0;
    int writable = option("overwrite") ? 0 : PROT_WRITE;
    pid_t tids[2] = {shared->process, 0};
    if (!option("inherit"))
        memcpy(tids, shared->tids, sizeof tids);
    for (int core = 0; core < option("cores"); core++)
        for (long number = 0; number < option("events") * (1 + !option("inherit")); number++) {
            int fd = open_event(tids[number % (1 + !option("inherit"))], core);
            if (fd < 0 || count == MOST_EVENTS)
                fail();
            fcntl(fd, F_SETOWN, getpid());
            fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK);
            fds[count++] = (struct pollfd){fd, POLLIN, 0};
            if (number > 0) {
                if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, fds[count - 1 - (size_t)number].fd) != 0)
                    fail();
                continue;
            }
            void *pages = mmap(NULL, PAGE + (size_t)option("ring"), PROT_READ | writable, MAP_SHARED, fd, 0);
            if (pages == MAP_FAILED)
                fail();
            rings[core] = pages;
        }
    return count;
}

static void drain(struct perf_event_mmap_page *ring) {
    uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), tail = ring->data_tail;
    while (tail < head) {
        uint64_t at = tail & ((uint64_t)option("ring") - 1);
        const struct perf_event_header *record = (const void *)((char *)ring + PAGE + at);
        if (record->type == PERF_RECORD_LOST)
            shared->lost += (int64_t)((const uint64_t *)(record + 1))[1];
        shared->records++;
        tail += record->size;
    }
    __atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
}

static void on_signal(int number) {
    (void)number;
}

static _Noreturn void observer(void) {
    static struct perf_event_mmap_page *rings[MOST_EVENTS];
    static struct pollfd fds[MOST_EVENTS];
    sigset_t blocked, open;
    sigfillset(&blocked);
    sigemptyset(&open);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGIO, on_signal);
    signal(SIGUSR1, on_signal);
    size_t count = observe(fds, rings);
    int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    shared->state = 1;
    const struct timespec most = {0, 100000000};
    while (shared->state == 1) {
        ppoll(fds, option("poll") ? count : 0, &most, &open);
        for (int core = 0; core < option("cores") && !option("overwrite"); core++)
            drain(rings[core]);
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    shared->wakes = used.ru_nvcsw; /* also those from which it went back to sleep inside of poll() */
    shared->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
    _exit(0);
}

static void pin(long number) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(option("pin") == 2 ? number : 0, &set);
    if (option("pin"))
        sched_setaffinity(0, sizeof set, &set);
}

static void *play(void *argument) {
    long own = (long)argument;
    int in = pipes[own][0], out = pipes[!own][1];
    char byte = 0;
    pin(own);
    shared->tids[own] = (pid_t)syscall(SYS_gettid);
    pthread_barrier_wait(&start_line); /* they are there */
    pthread_barrier_wait(&start_line); /* they are observed */
    if (own == 0 && write(out, &byte, 1) != 1)
        return NULL;
    for (long turn = option("turns"); turn > 0; turn--)
        if (read(in, &byte, 1) != 1 || (write(out, &byte, 1) != 1 && turn > 1))
            break;
    return NULL;
}

static void *nothing(void *argument) {
    return argument;
}

static pid_t start_observer(void) {
    if (!option("observe"))
        return 0;
    pid_t child = fork();
    if (child == 0)
        observer();
    while (shared->state == 0)
        usleep(200);
    return child;
}

static pid_t hand_to_and_fro(pthread_t *threads) {
    pid_t child = option("inherit") ? start_observer() : 0;
    for (long own = 0; own < 2; own++)
        pthread_create(&threads[own], NULL, play, (void *)own);
    pthread_barrier_wait(&start_line);
    return option("inherit") ? child : start_observer();
}

static pid_t start_and_join(void) {
    pid_t child = start_observer();
    pin(0);
    return child;
}

/* What was asked for; the observer is there already, and threads that hand a byte wait to begin. */
static void work(pthread_t *threads) {
    if (!option("threads")) {
        pthread_barrier_wait(&start_line);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        return;
    }
    for (long turn = 0; turn < option("turns"); turn++)
        if (pthread_create(threads, NULL, nothing, NULL) == 0)
            pthread_join(threads[0], NULL);
}

static void measure(pthread_t *threads, pid_t child) {
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = clock_ns(CLOCK_MONOTONIC);
    work(threads);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    getrusage(RUSAGE_SELF, &after);
    shared->state = 3;
    if (child) {
        kill(child, SIGUSR1);
        waitpid(child, NULL, 0);
    }
    long switches = after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw;
    printf("%ld %ld %ld %ld %ld %ld %ld\n", (long)wall, (long)cpu, switches, (long)shared->records,
           (long)shared->lost, (long)shared->cpu_ns, (long)shared->wakes);
}

int main(int count, char **texts) {
    for (int at = 1; at < count; at++)
        set_option(texts[at]);
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0)
        return 1;
    shared->process = getpid();
    pthread_barrier_init(&start_line, NULL, 3);
    pthread_t threads[2];
    pid_t child = option("threads") ? start_and_join() : hand_to_and_fro(threads);
    if (shared->state == 2) {
        printf("%s\n", strerror(shared->error));
        return 3;
    }
    measure(threads, child);
    return 0;
}
