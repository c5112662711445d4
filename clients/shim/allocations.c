/*
 * Counts what the server allocates, for its tests: preloaded (LD_PRELOAD), it keeps two numbers in
 * the file ALLOCATIONS_FILE, 8 bytes each in the machine's order: the bytes that are allocated now,
 * and the most that were since somebody wrote 0 there. Memory that was never touched counts too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct counters {
    _Atomic long now, most;
};

static struct counters before_start;
static struct counters *_Atomic counters = &before_start;

/* The allocator's own entries (glibc): no need to look them up, which may allocate itself. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("ALLOCATIONS_FILE");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct counters *shared = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof *shared) == 0)
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) {
        fprintf(stderr, "allocations: ALLOCATIONS_FILE cannot be used\n");
        _exit(70);
    }
    close(file);
    shared->now = before_start.now;
    counters = shared;
}

static void *counted(void *block) {
    if (block != NULL) {
        struct counters *at = counters;
        long size = (long)malloc_usable_size(block);
        long now = atomic_fetch_add(&at->now, size) + size;
        long most = at->most;
        while (now > most && !atomic_compare_exchange_weak(&at->most, &most, now)) {
        }
    }
    return block;
}

static void uncount(void *block) {
    if (block != NULL) atomic_fetch_sub(&counters->now, (long)malloc_usable_size(block));
}

void *malloc(size_t size) {
    return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    long old = block == NULL ? 0 : (long)malloc_usable_size(block);
    void *moved = __libc_realloc(block, size);
    /* Both may have been there at a time; when it failed, the old one still is. */
    if (moved != NULL) counted(moved);
    if (moved != NULL || size == 0) atomic_fetch_sub(&counters->now, old);
    return moved;
}

void *memalign(size_t alignment, size_t size) {
    return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    *out = counted(__libc_memalign(alignment, size));
    return *out == NULL;
}

void free(void *block) {
    uncount(block);
    __libc_free(block);
}
