/*
 * Moves the server's clocks, for its tests: preloaded (LD_PRELOAD), it adds two numbers of the file
 * CLOCK_FILE, 8 bytes each in the machine's order, in milliseconds: the first to the wall clock, the
 * second to the monotonic one. A third, when it is not 0, holds the monotonic clock at that time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long before_start[3];
static volatile long *shift = before_start;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CLOCK_FILE");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *shared = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof before_start) == 0)
        shared = mmap(NULL, sizeof before_start, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "clock: CLOCK_FILE cannot be used\n");
        _exit(70);
    }
    close(file);
    shift = shared;
}

static long long ms_of(const struct timespec *at) {
    return (long long)at->tv_sec * 1000 + at->tv_nsec / 1000000;
}

static void add(struct timespec *at, long ms) {
    long long ns = (long long)at->tv_nsec + (long long)(ms % 1000) * 1000000;
    at->tv_sec += ms / 1000;
    if (ns < 0) {
        ns += 1000000000;
        at->tv_sec -= 1;
    }
    at->tv_sec += ns / 1000000000;
    at->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (syscall(SYS_clock_gettime, clock, at) != 0) return -1;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        add(at, shift[0]);
    } else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME) {
        long held = shift[2];
        if (held != 0 && ms_of(at) > held) {
            at->tv_sec = held / 1000;
            at->tv_nsec = held % 1000 * 1000000;
        }
        add(at, shift[1]);
    }
    return 0;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out != NULL) *out = at.tv_sec;
    return at.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    out->tv_sec = at.tv_sec;
    out->tv_usec = at.tv_nsec / 1000;
    return 0;
}
