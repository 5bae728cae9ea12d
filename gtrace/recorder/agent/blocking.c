#define _GNU_SOURCE
#include "blocking.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "call.h"

/* Declared by their names in the C library, so that no macro of its headers changes what they are,
 * and weak, because not every C library has all of them. */
#define REAL(type, name, ...) extern type gt_real_##name(__VA_ARGS__) __asm__(#name) __attribute__((weak))

/* A function that does what `call` says; `parameters` and `arguments` are in parentheses. */
#define HOOK(type, name, call, arguments, ...)                                                               \
    REAL(type, name, __VA_ARGS__);                                                                           \
    static type on_##name(__VA_ARGS__) {                                                                     \
        gt_region *region = gt_call_region();                                                                \
        if (!region)                                                                                         \
            return gt_real_##name arguments;                                                                 \
        gt_call_begin(region, call);                                                                         \
        type result = gt_real_##name arguments;                                                              \
        gt_call_end(region);                                                                                 \
        return result;                                                                                       \
    }

#define ON_FD(what) gt_call_of(GT_IN_##what, fd)
#define NO_FD(what) gt_call_of(GT_IN_##what, GT_NO_FD)
/* With no descriptors to wait for these are ways to sleep. */
#define POLL(count) gt_call_of((count) ? GT_IN_POLL : GT_IN_SLEEP, GT_NO_FD)

typedef struct iovec vector;
typedef const struct timespec *timespec;
typedef const struct sockaddr *address;

HOOK(ssize_t, read, ON_FD(READ), (fd, to, n), int fd, void *to, size_t n)
HOOK(ssize_t, __read_chk, ON_FD(READ), (fd, to, n, room), int fd, void *to, size_t n, size_t room)
HOOK(ssize_t, readv, ON_FD(READ), (fd, v, n), int fd, const vector *v, int n)
HOOK(ssize_t, pread, ON_FD(READ), (fd, to, n, at), int fd, void *to, size_t n, off_t at)
HOOK(ssize_t, __pread_chk, ON_FD(READ), (fd, to, n, at, room), int fd, void *to, size_t n, off_t at,
     size_t room)
HOOK(ssize_t, __pread64_chk, ON_FD(READ), (fd, to, n, at, room), int fd, void *to, size_t n, off_t at,
     size_t room)
HOOK(ssize_t, pread64, ON_FD(READ), (fd, to, n, at), int fd, void *to, size_t n, off_t at)
HOOK(ssize_t, preadv, ON_FD(READ), (fd, v, n, at), int fd, const vector *v, int n, off_t at)
HOOK(ssize_t, preadv64, ON_FD(READ), (fd, v, n, at), int fd, const vector *v, int n, off_t at)
HOOK(ssize_t, preadv2, ON_FD(READ), (fd, v, n, at, how), int fd, const vector *v, int n, off_t at, int how)
HOOK(ssize_t, preadv64v2, ON_FD(READ), (fd, v, n, at, how), int fd, const vector *v, int n, off_t at, int how)
HOOK(ssize_t, write, ON_FD(WRITE), (fd, from, n), int fd, const void *from, size_t n)
HOOK(ssize_t, writev, ON_FD(WRITE), (fd, v, n), int fd, const vector *v, int n)
HOOK(ssize_t, pwrite, ON_FD(WRITE), (fd, from, n, at), int fd, const void *from, size_t n, off_t at)
HOOK(ssize_t, pwrite64, ON_FD(WRITE), (fd, from, n, at), int fd, const void *from, size_t n, off_t at)
HOOK(ssize_t, pwritev, ON_FD(WRITE), (fd, v, n, at), int fd, const vector *v, int n, off_t at)
HOOK(ssize_t, pwritev64, ON_FD(WRITE), (fd, v, n, at), int fd, const vector *v, int n, off_t at)
HOOK(ssize_t, pwritev2, ON_FD(WRITE), (fd, v, n, at, how), int fd, const vector *v, int n, off_t at, int how)
HOOK(ssize_t, pwritev64v2, ON_FD(WRITE), (fd, v, n, at, how), int fd, const vector *v, int n, off_t at,
     int how)

HOOK(ssize_t, recv, ON_FD(RECV), (fd, to, n, how), int fd, void *to, size_t n, int how)
HOOK(ssize_t, __recv_chk, ON_FD(RECV), (fd, to, n, room, how), int fd, void *to, size_t n, size_t room,
     int how)
HOOK(ssize_t, recvfrom, ON_FD(RECV), (fd, to, n, how, whose, length), int fd, void *to, size_t n, int how,
     struct sockaddr *whose, socklen_t *length)
HOOK(ssize_t, __recvfrom_chk, ON_FD(RECV), (fd, to, n, room, how, whose, length), int fd, void *to, size_t n,
     size_t room, int how, struct sockaddr *whose, socklen_t *length)
HOOK(ssize_t, recvmsg, ON_FD(RECV), (fd, to, how), int fd, struct msghdr *to, int how)
HOOK(ssize_t, send, ON_FD(SEND), (fd, from, n, how), int fd, const void *from, size_t n, int how)
HOOK(ssize_t, sendto, ON_FD(SEND), (fd, from, n, how, to, length), int fd, const void *from, size_t n,
     int how, address to, socklen_t length)
HOOK(ssize_t, sendmsg, ON_FD(SEND), (fd, from, how), int fd, const struct msghdr *from, int how)
HOOK(int, recvmmsg, ON_FD(RECV), (fd, to, n, how, time), int fd, struct mmsghdr *to, unsigned n, int how,
     struct timespec *time)
HOOK(int, sendmmsg, ON_FD(SEND), (fd, from, n, how), int fd, struct mmsghdr *from, unsigned n, int how)
HOOK(int, accept, ON_FD(ACCEPT), (fd, whose, length), int fd, struct sockaddr *whose, socklen_t *length)
HOOK(int, accept4, ON_FD(ACCEPT), (fd, whose, length, how), int fd, struct sockaddr *whose, socklen_t *length,
     int how)
HOOK(int, connect, ON_FD(CONNECT), (fd, to, length), int fd, address to, socklen_t length)

HOOK(int, poll, POLL(n), (fds, n, ms), struct pollfd *fds, nfds_t n, int ms)
HOOK(int, __poll_chk, POLL(n), (fds, n, ms, room), struct pollfd *fds, nfds_t n, int ms, size_t room)
HOOK(int, ppoll, POLL(n), (fds, n, time, mask), struct pollfd *fds, nfds_t n, timespec time,
     const sigset_t *mask)
HOOK(int, __ppoll_chk, POLL(n), (fds, n, time, mask, room), struct pollfd *fds, nfds_t n, timespec time,
     const sigset_t *mask, size_t room)
HOOK(int, select, POLL(n), (n, in, out, bad, time), int n, fd_set *in, fd_set *out, fd_set *bad,
     struct timeval *time)
HOOK(int, pselect, POLL(n), (n, in, out, bad, time, mask), int n, fd_set *in, fd_set *out, fd_set *bad,
     timespec time, const sigset_t *mask)
HOOK(int, epoll_wait, NO_FD(POLL), (epoll, events, n, ms), int epoll, struct epoll_event *events, int n,
     int ms)
HOOK(int, epoll_pwait, NO_FD(POLL), (epoll, events, n, ms, mask), int epoll, struct epoll_event *events,
     int n, int ms, const sigset_t *mask)

HOOK(int, epoll_pwait2, NO_FD(POLL), (epoll, events, n, time, mask), int epoll, struct epoll_event *events,
     int n, timespec time, const sigset_t *mask)

HOOK(int, clock_nanosleep, NO_FD(SLEEP), (clock, how, time, left), clockid_t clock, int how, timespec time,
     struct timespec *left)
HOOK(int, nanosleep, NO_FD(SLEEP), (time, left), timespec time, struct timespec *left)
HOOK(int, usleep, NO_FD(SLEEP), (time), unsigned time)
HOOK(unsigned, sleep, NO_FD(SLEEP), (time), unsigned time)

HOOK(pid_t, wait, NO_FD(CHILD), (status), int *status)
HOOK(pid_t, wait3, NO_FD(CHILD), (status, how, usage), int *status, int how, struct rusage *usage)
HOOK(pid_t, wait4, NO_FD(CHILD), (child, status, how, usage), pid_t child, int *status, int how,
     struct rusage *usage)
HOOK(pid_t, waitpid, NO_FD(CHILD), (child, status, how), pid_t child, int *status, int how)
HOOK(int, waitid, NO_FD(CHILD), (which, child, status, how), idtype_t which, id_t child, siginfo_t *status,
     int how)
HOOK(int, system, NO_FD(CHILD), (command), const char *command)

HOOK(int, fsync, ON_FD(SYNC), (fd), int fd)
HOOK(int, fdatasync, ON_FD(SYNC), (fd), int fd)
HOOK(int, syncfs, ON_FD(SYNC), (fd), int fd)
HOOK(int, flock, ON_FD(FILE_LOCK), (fd, how), int fd, int how)
HOOK(int, lockf, ON_FD(FILE_LOCK), (fd, how, n), int fd, int how, off_t n)
HOOK(int, lockf64, ON_FD(FILE_LOCK), (fd, how, n), int fd, int how, off_t n)
HOOK(ssize_t, sendfile, ON_FD(COPY), (fd, from, at, n), int fd, int from, off_t *at, size_t n)
HOOK(ssize_t, sendfile64, ON_FD(COPY), (fd, from, at, n), int fd, int from, off_t *at, size_t n)
HOOK(ssize_t, splice, ON_FD(COPY), (from, at, fd, there, n, how), int from, off_t *at, int fd, off_t *there,
     size_t n, unsigned how)
HOOK(ssize_t, copy_file_range, ON_FD(COPY), (from, at, fd, there, n, how), int from, off_t *at, int fd,
     off_t *there, size_t n, unsigned how)

HOOK(int, sigwait, NO_FD(SIGNAL), (mask, number), const sigset_t *mask, int *number)
HOOK(int, sigwaitinfo, NO_FD(SIGNAL), (mask, found), const sigset_t *mask, siginfo_t *found)
HOOK(int, sigtimedwait, NO_FD(SIGNAL), (mask, found, time), const sigset_t *mask, siginfo_t *found,
     timespec time)
HOOK(int, pause, NO_FD(SIGNAL), (), void)
HOOK(int, sigsuspend, NO_FD(SIGNAL), (mask), const sigset_t *mask)
HOOK(int, getaddrinfo, NO_FD(NAME_LOOKUP), (name, port, hint, found), const char *name, const char *port,
     const struct addrinfo *hint, struct addrinfo **found)
HOOK(int, getnameinfo, NO_FD(NAME_LOOKUP), (of, length, name, room, port, more, how), address of,
     socklen_t length, char *name, socklen_t room, char *port, socklen_t more, int how)
HOOK(int, gethostbyname_r, NO_FD(NAME_LOOKUP), (name, entry, to, n, found, error), const char *name,
     struct hostent *entry, char *to, size_t n, struct hostent **found, int *error)
HOOK(int, gethostbyaddr_r, NO_FD(NAME_LOOKUP), (of, length, kind, entry, to, n, found, error), const void *of,
     socklen_t length, int kind, struct hostent *entry, char *to, size_t n, struct hostent **found,
     int *error)
HOOK(char *, fgets, NO_FD(TERMINAL), (to, n, stream), char *to, int n, FILE *stream)
HOOK(char *, __fgets_chk, NO_FD(TERMINAL), (to, room, n, stream), char *to, size_t room, int n, FILE *stream)
HOOK(int, tcdrain, NO_FD(TERMINAL), (fd), int fd)

HOOK(int, sem_wait, NO_FD(SEMAPHORE), (semaphore), sem_t *semaphore)
HOOK(int, sem_timedwait, NO_FD(SEMAPHORE), (semaphore, until), sem_t *semaphore, timespec until)
HOOK(int, sem_clockwait, NO_FD(SEMAPHORE), (semaphore, clock, until), sem_t *semaphore, clockid_t clock,
     timespec until)

/* The last parameter of these is there for some calls only; to pass on what is not there is harmless. */
#define VARIADIC_HOOK(name, more, before, call, arguments, ...)                                              \
    REAL(int, name, __VA_ARGS__, ...);                                                                       \
    static int on_##name(__VA_ARGS__, ...) {                                                                 \
        va_list rest;                                                                                        \
        va_start(rest, before);                                                                              \
        more last = va_arg(rest, more);                                                                      \
        va_end(rest);                                                                                        \
        gt_region *region = gt_call_region();                                                                \
        uint64_t what = region ? call : 0;                                                                   \
        if (!what)                                                                                           \
            return gt_real_##name arguments;                                                                 \
        gt_call_begin(region, what);                                                                         \
        int result = gt_real_##name arguments;                                                               \
        gt_call_end(region);                                                                                 \
        return result;                                                                                       \
    }

/* Of all that fcntl can do only this waits. */
#define LOCKS(command) ((command) == F_SETLKW || (command) == F_OFD_SETLKW ? ON_FD(FILE_LOCK) : 0)

VARIADIC_HOOK(open, unsigned, how, NO_FD(OPEN), (path, how, last), const char *path, int how)
VARIADIC_HOOK(open64, unsigned, how, NO_FD(OPEN), (path, how, last), const char *path, int how)
VARIADIC_HOOK(openat, unsigned, how, NO_FD(OPEN), (folder, path, how, last), int folder, const char *path,
              int how)
VARIADIC_HOOK(openat64, unsigned, how, NO_FD(OPEN), (folder, path, how, last), int folder, const char *path,
              int how)
VARIADIC_HOOK(fcntl, void *, command, LOCKS(command), (fd, command, last), int fd, int command)
VARIADIC_HOOK(fcntl64, void *, command, LOCKS(command), (fd, command, last), int fd, int command)
HOOK(int, __open_2, NO_FD(OPEN), (path, how), const char *path, int how)
HOOK(int, __open64_2, NO_FD(OPEN), (path, how), const char *path, int how)
HOOK(int, __openat_2, NO_FD(OPEN), (folder, path, how), int folder, const char *path, int how)
HOOK(int, __openat64_2, NO_FD(OPEN), (folder, path, how), int folder, const char *path, int how)

/* The only one that gives nothing back. */
REAL(void, sync, void);
static void on_sync(void) {
    gt_region *region = gt_call_region();
    if (region)
        gt_call_begin(region, NO_FD(SYNC));
    gt_real_sync();
    if (region)
        gt_call_end(region);
}

#define IMPORT(name)                                                                                         \
    { #name, (void *)on_##name }

static const gt_import blocking[] = {
    IMPORT(read),
    IMPORT(__read_chk),
    IMPORT(readv),
    IMPORT(pread),
    IMPORT(pread64),
    IMPORT(preadv),
    IMPORT(preadv64),
    IMPORT(preadv2),
    IMPORT(preadv64v2),
    IMPORT(write),
    IMPORT(writev),
    IMPORT(pwrite),
    IMPORT(pwrite64),
    IMPORT(pwritev),
    IMPORT(pwritev64),
    IMPORT(pwritev2),
    IMPORT(pwritev64v2),
    IMPORT(recv),
    IMPORT(__recv_chk),
    IMPORT(recvfrom),
    IMPORT(recvmsg),
    IMPORT(send),
    IMPORT(__recvfrom_chk),
    IMPORT(sendto),
    IMPORT(sendmsg),
    IMPORT(accept),
    IMPORT(accept4),
    IMPORT(connect),
    IMPORT(poll),
    IMPORT(__poll_chk),
    IMPORT(ppoll),
    IMPORT(select),
    IMPORT(pselect),
    IMPORT(epoll_wait),
    IMPORT(epoll_pwait),
    IMPORT(clock_nanosleep),
    IMPORT(nanosleep),
    IMPORT(usleep),
    IMPORT(sleep),
    IMPORT(wait),
    IMPORT(wait3),
    IMPORT(wait4),
    IMPORT(waitpid),
    IMPORT(waitid),
    IMPORT(system),
    IMPORT(fsync),
    IMPORT(fdatasync),
    IMPORT(flock),
    IMPORT(lockf),
    IMPORT(lockf64),
    IMPORT(sendfile),
    IMPORT(sendfile64),
    IMPORT(splice),
    IMPORT(sigwait),
    IMPORT(copy_file_range),
    IMPORT(sigwaitinfo),
    IMPORT(pause),
    IMPORT(fgets),
    IMPORT(sigtimedwait),
    IMPORT(getaddrinfo),
    IMPORT(getnameinfo),
    IMPORT(open),
    IMPORT(open64),
    IMPORT(openat),
    IMPORT(openat64),
    IMPORT(fcntl),
    IMPORT(fcntl64),
    IMPORT(__open64_2),
    IMPORT(__open_2),
    IMPORT(__openat_2),
    IMPORT(__openat64_2),
    IMPORT(gethostbyname_r),
    IMPORT(gethostbyaddr_r),
    IMPORT(tcdrain),
    IMPORT(syncfs),
    IMPORT(recvmmsg),
    IMPORT(sendmmsg),
    IMPORT(__pread_chk),
    IMPORT(__pread64_chk),
    IMPORT(__ppoll_chk),
    IMPORT(epoll_pwait2),
    IMPORT(sigsuspend),
    IMPORT(__fgets_chk),
    IMPORT(sync),
};
static const gt_import semaphores[] = {IMPORT(sem_wait), IMPORT(sem_timedwait), IMPORT(sem_clockwait)};

gt_imports gt_blocking_imports(void) {
    return (gt_imports){blocking, sizeof blocking / sizeof *blocking};
}

gt_imports gt_semaphore_imports(void) {
    return (gt_imports){semaphores, sizeof semaphores / sizeof *semaphores};
}
