/*
 * Makes calls on the server's files fail, or ends the server at one of them, for its tests.
 *
 * Preloaded (LD_PRELOAD), it looks at calls on files under the directory FAULTS_DIR, and at what is
 * sent to sockets. What to do stands in the file FAULTS_FILE, which the tests write while the
 * server runs: two plans of 8 numbers each, 8 bytes per number in the machine's order.
 *     0  what happens: 0 nothing, 1 it fails, 2 it is done and reported as failed, 3 half of it is
 *        written and reported, 4 half is written and then it fails, 5 the process is killed before
 *        it, 6 after it, 7 after half of it
 *     1  which calls: the sum of 1 write, 2 sync, 4 rename, 8 remove, 16 cut, 32 send to a socket
 *     2  how many of them pass before
 *     3  how many of them it happens to; -1 for all
 *     4  the error that a failing call gives (errno)
 *     5  counted here: how many such calls there were
 *     6  counted here: how often it happened
 *     7  not used
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FAIL, DONE_FAIL, SHORT, HALF_FAIL, KILL_BEFORE, KILL_AFTER, KILL_HALF };
enum { WRITE = 1, SYNC = 2, RENAME = 4, REMOVE = 8, CUT = 16, SEND = 32 };

struct plan {
    _Atomic long what, calls, pass, times, error, seen, happened, unused;
};

#define PLANS 2

static struct plan nothing_yet[PLANS];
static struct plan *plans = nothing_yet;
static char directory[PATH_MAX];
static size_t directory_length;
/* One call at a time is judged, so that counts are exact. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

static void *find(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) _exit(70);
    return found;
}

__attribute__((constructor)) static void start(void) {
    real_write = find("write");
    real_writev = find("writev");
    real_pwrite = find("pwrite64");
    real_send = find("send");
    real_fsync = find("fsync");
    real_fdatasync = find("fdatasync");
    real_ftruncate = find("ftruncate64");
    real_unlink = find("unlink");
    real_rename = find("rename");
    const char *dir = getenv("FAULTS_DIR");
    const char *path = getenv("FAULTS_FILE");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct plan *shared = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof nothing_yet) == 0)
        shared = mmap(NULL, sizeof nothing_yet, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (dir == NULL || strlen(dir) >= sizeof directory || shared == MAP_FAILED) {
        fprintf(stderr, "faults: FAULTS_DIR or FAULTS_FILE cannot be used\n");
        _exit(70);
    }
    strcpy(directory, dir);
    directory_length = strlen(dir);
    plans = shared;
    close(file);
}

static int is_inside(const char *path) {
    return strncmp(path, directory, directory_length) == 0 && path[directory_length] == '/';
}

/* The kind of call that one on this descriptor is: `kind`, SEND for a socket, 0 for any other. */
static long kind_of(int fd, long kind) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (is_inside(path) || strcmp(path, directory) == 0) return kind;
    return strncmp(path, "socket:", 7) == 0 && kind == WRITE ? SEND : 0;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What happens to a call; `errno` is that of the plan when it fails. */
static long judge(long kind) {
    long what = NOTHING;
    if (kind == 0) return what;
    pthread_mutex_lock(&lock);
    for (struct plan *plan = plans; plan < plans + PLANS; plan += 1) {
        if (plan->what == NOTHING || !(plan->calls & kind)) continue;
        plan->seen += 1;
        if (plan->seen <= plan->pass) continue;
        if (plan->times >= 0 && plan->happened >= plan->times) continue;
        plan->happened += 1;
        what = plan->what;
        errno = (int)plan->error;
        break;
    }
    pthread_mutex_unlock(&lock);
    if (what == KILL_BEFORE) die();
    return what;
}

/* Ends a call that was judged: gives its result, or that of the plan. */
static ssize_t end(long what, ssize_t result, int error) {
    if (what == KILL_AFTER || what == KILL_HALF) die();
    if (what == DONE_FAIL || what == HALF_FAIL) {
        errno = error;
        return -1;
    }
    return result;
}

static size_t part(long what, size_t length) {
    int half = what == SHORT || what == HALF_FAIL || what == KILL_HALF;
    return half && length > 1 ? length / 2 : length;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    long what = judge(kind_of(fd, WRITE));
    int error = errno;
    if (what == FAIL) return -1;
    return end(what, real_write(fd, bytes, part(what, length)), error);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    long what = judge(kind_of(fd, WRITE));
    int error = errno;
    if (what == FAIL) return -1;
    return end(what, real_writev(fd, parts, count), error);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    long what = judge(kind_of(fd, WRITE));
    int error = errno;
    if (what == FAIL) return -1;
    return end(what, real_send(fd, bytes, part(what, length), flags), error);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at) {
    long what = judge(kind_of(fd, WRITE));
    int error = errno;
    if (what == FAIL) return -1;
    return end(what, real_pwrite(fd, bytes, part(what, length), at), error);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_at(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    return write_at(fd, bytes, length, at);
}

static int sync_with(int fd, int (*sync)(int)) {
    long what = judge(kind_of(fd, SYNC));
    int error = errno;
    if (what == FAIL || what == HALF_FAIL) return -1;
    return (int)end(what, sync(fd), error);
}

int fsync(int fd) {
    return sync_with(fd, real_fsync);
}

int fdatasync(int fd) {
    return sync_with(fd, real_fdatasync);
}

static int cut(int fd, off_t size) {
    long what = judge(kind_of(fd, CUT));
    int error = errno;
    if (what == FAIL) return -1;
    return (int)end(what, real_ftruncate(fd, size), error);
}

int ftruncate(int fd, off_t size) {
    return cut(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    return cut(fd, size);
}

int unlink(const char *path) {
    long what = judge(is_inside(path) ? REMOVE : 0);
    int error = errno;
    if (what == FAIL) return -1;
    return (int)end(what, real_unlink(path), error);
}

int rename(const char *from, const char *to) {
    long what = judge(is_inside(to) ? RENAME : 0);
    int error = errno;
    if (what == FAIL) return -1;
    return (int)end(what, real_rename(from, to), error);
}
