/*
 * Makes `kill -9` behave like a power loss, for the tests of the server.
 *
 * Preloaded into the server (LD_PRELOAD), it keeps the content of every file under the directory
 * UNSYNCED_DIR in memory. Reads see it; the file itself gets what was written only when the file is
 * synced. So what was written and not synced dies with the process. Names are not kept back: making,
 * renaming and removing a file takes effect at once.
 *
 * With UNSYNCED_LOG it appends what happened to that file, one line each, in one order:
 *     write NAME OFFSET HEX     to the memory
 *     sync NAME                 after the real sync returned
 *     sent TEXT                 before bytes with UNSYNCED_NEEDLE go to a socket; TEXT is what
 *                               follows the needle, up to the first byte that is no digit
 * With UNSYNCED_LIE=1 a sync succeeds and does nothing: a test that passes then tests nothing.
 *
 * With UNSYNCED_FAIL, a file of two numbers of 8 bytes in the machine's order, so many of the next
 * syncs as the first says fail with EIO (-1: all), and do what Linux does: what they did not write
 * counts as clean from then on, so that no later sync of the same file writes it. The second counts
 * them.
 *
 * A call that it does not know on such a file ends the process, so that nothing gets past it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 65536
#define NAME_MAX_BYTES 128
#define SENT_MAX_BYTES 24

/* A file whose content is here. Found by its inode, because several descriptors may share it. */
struct file {
    struct file *next;
    dev_t device;
    ino_t inode;
    char name[NAME_MAX_BYTES];
    unsigned char *data;
    size_t size, room;
    /* What differs from the file on disk: bytes from `dirty_from` to `dirty_to`, and the size. */
    size_t dirty_from, dirty_to, size_on_disk;
    int descriptors;
    int removed;
};

struct descriptor {
    struct file *file;
    off_t offset;
    int append;
};

/* One lock over all: the order in the log is the order of what happened. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct descriptor descriptors[FDS_MAX];
static struct file *files;
static char directory[PATH_MAX];
static const char *needle;
static int log_fd = -1;
static int lies;
static long nothing_fails[2];
/* Shared with the tests: how many syncs are to fail, how many did. */
static volatile long *failing = nothing_fails;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static off_t (*real_lseek)(int, off_t, int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fstat)(int, struct stat *);
static int (*real_stat)(const char *, struct stat *);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_dup)(int);
static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static ssize_t (*real_send)(int, const void *, size_t, int);

static void die(const char *what) {
    fprintf(stderr, "unsynced: %s\n", what);
    _exit(70);
}

static void *find(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) die(name);
    return found;
}

static void start(void) {
    real_open = find("open64");
    real_close = find("close");
    real_read = find("read");
    real_write = find("write");
    real_writev = find("writev");
    real_pread = find("pread64");
    real_pwrite = find("pwrite64");
    real_lseek = find("lseek64");
    real_fsync = find("fsync");
    real_fdatasync = find("fdatasync");
    real_ftruncate = find("ftruncate64");
    real_fstat = find("fstat64");
    real_stat = find("stat64");
    real_unlink = find("unlink");
    real_rename = find("rename");
    real_dup = find("dup");
    real_mmap = find("mmap64");
    real_send = find("send");
    const char *dir = getenv("UNSYNCED_DIR");
    if (dir == NULL || strlen(dir) >= sizeof directory) die("UNSYNCED_DIR names no directory");
    strcpy(directory, dir);
    const char *log = getenv("UNSYNCED_LOG");
    if (log != NULL) log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log != NULL && log_fd < 0) die("UNSYNCED_LOG cannot be opened");
    needle = getenv("UNSYNCED_NEEDLE");
    const char *lie = getenv("UNSYNCED_LIE");
    lies = lie != NULL && strcmp(lie, "1") == 0;
    const char *fail = getenv("UNSYNCED_FAIL");
    if (fail == NULL) return;
    int file = real_open(fail, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || real_ftruncate(file, sizeof nothing_fails) != 0) die("UNSYNCED_FAIL cannot be used");
    void *shared = real_mmap(NULL, sizeof nothing_fails, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (shared == MAP_FAILED) die("UNSYNCED_FAIL cannot be mapped");
    failing = shared;
    real_close(file);
}

static void enter(void) {
    pthread_once(&once, start);
    pthread_mutex_lock(&lock);
}

static void leave(void) {
    pthread_mutex_unlock(&lock);
}

static void say(const char *text, size_t length) {
    while (length > 0) {
        ssize_t done = real_write(log_fd, text, length);
        if (done < 0 && errno != EINTR) die("the log cannot be written");
        if (done > 0) {
            text += done;
            length -= (size_t)done;
        }
    }
}

/* ---- files ---- */

static struct file *file_of(int fd) {
    return fd >= 0 && fd < FDS_MAX ? descriptors[fd].file : NULL;
}

static struct file *known(const struct stat *at) {
    for (struct file *file = files; file != NULL; file = file->next)
        if (!file->removed && file->device == at->st_dev && file->inode == at->st_ino) return file;
    return NULL;
}

/* An index of the log that SQLite's connections share (-shm) is memory with a name: it is built anew
 * by the first one that opens the database, so nothing of it has to survive. */
static int is_shared_memory(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, "-shm") == 0;
}

static int is_inside(const char *path) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/' && !is_shared_memory(path);
}

static void grow(struct file *file, size_t size) {
    if (size > file->room) {
        size_t room = size * 2;
        unsigned char *data = realloc(file->data, room);
        if (data == NULL) die("no memory for the content of a file");
        file->data = data;
        file->room = room;
    }
    if (size > file->size) memset(file->data + file->size, 0, size - file->size);
    file->size = size;
}

static struct file *load(int fd, const char *path, const struct stat *at) {
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL) die("no memory for a file");
    file->device = at->st_dev;
    file->inode = at->st_ino;
    const char *name = strrchr(path, '/') + 1;
    snprintf(file->name, sizeof file->name, "%s", name);
    grow(file, (size_t)at->st_size);
    file->size_on_disk = file->size;
    for (size_t read = 0; read < file->size;) {
        ssize_t done = real_pread(fd, file->data + read, file->size - read, (off_t)read);
        if (done <= 0) die("a file cannot be read");
        read += (size_t)done;
    }
    file->next = files;
    files = file;
    return file;
}

static void forget(struct file *file) {
    for (struct file **link = &files; *link != NULL; link = &(*link)->next) {
        if (*link == file) {
            *link = file->next;
            break;
        }
    }
    free(file->data);
    free(file);
}

static void mark(struct file *file, size_t from, size_t to) {
    if (file->dirty_from == file->dirty_to) {
        file->dirty_from = from;
        file->dirty_to = to;
        return;
    }
    if (from < file->dirty_from) file->dirty_from = from;
    if (to > file->dirty_to) file->dirty_to = to;
}

static void put(struct file *file, size_t at, const unsigned char *bytes, size_t length) {
    size_t old_size = file->size;
    if (at + length > file->size) grow(file, at + length);
    memcpy(file->data + at, bytes, length);
    mark(file, at < old_size ? at : old_size, at + length);
    if (log_fd < 0) return;
    char *line = malloc(NAME_MAX_BYTES + 64 + 2 * length);
    if (line == NULL) die("no memory for a line of the log");
    int used = sprintf(line, "write %s %zu ", file->name, at);
    for (size_t i = 0; i < length; i += 1) used += sprintf(line + used, "%02x", bytes[i]);
    line[used++] = '\n';
    say(line, (size_t)used);
    free(line);
}

static size_t get(const struct file *file, size_t at, unsigned char *bytes, size_t length) {
    if (at >= file->size) return 0;
    size_t there = file->size - at;
    size_t taken = length < there ? length : there;
    memcpy(bytes, file->data + at, taken);
    return taken;
}

static void resize(struct file *file, size_t size) {
    if (size >= file->size) {
        size_t from = file->size;
        grow(file, size);
        if (size > from) mark(file, from, size);
        return;
    }
    file->size = size;
    if (file->dirty_to > size) file->dirty_to = size;
    if (file->dirty_from > file->dirty_to) file->dirty_from = file->dirty_to;
}

/* Brings the file on disk up to date, and syncs it. */
static int sync_file(int fd, struct file *file, int (*sync)(int)) {
    if (lies) return 0;
    if (failing[0] != 0) {
        if (failing[0] > 0) failing[0] -= 1;
        failing[1] += 1;
        file->dirty_from = file->dirty_to = 0;
        errno = EIO;
        return -1;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* The descriptor may be one for reading. */
    int out = real_open(path, O_WRONLY | O_CLOEXEC);
    if (out < 0) return -1;
    int failed = 0;
    if (file->size < file->size_on_disk) failed = real_ftruncate(out, (off_t)file->size);
    size_t at = file->dirty_from;
    while (!failed && at < file->dirty_to) {
        ssize_t done = real_pwrite(out, file->data + at, file->dirty_to - at, (off_t)at);
        if (done < 0) failed = -1;
        else at += (size_t)done;
    }
    if (!failed) failed = sync(out);
    int error = errno;
    real_close(out);
    errno = error;
    if (failed) return -1;
    file->dirty_from = file->dirty_to = 0;
    file->size_on_disk = file->size;
    if (log_fd >= 0) {
        char line[NAME_MAX_BYTES + 16];
        say(line, (size_t)snprintf(line, sizeof line, "sync %s\n", file->name));
    }
    return 0;
}

/* ---- calls that make and end descriptors ---- */

static int open_file(const char *path, int flags, mode_t mode) {
    pthread_once(&once, start);
    if (!is_inside(path)) return real_open(path, flags, mode);
    enter();
    /* Emptying is a write: it must not reach the file yet. And the content has to be readable. */
    int asked = flags & ~O_TRUNC;
    if ((asked & O_ACCMODE) == O_WRONLY) asked = (asked & ~O_ACCMODE) | O_RDWR;
    int fd = real_open(path, asked, mode);
    struct stat at;
    if (fd >= 0 && real_fstat(fd, &at) == 0 && S_ISREG(at.st_mode)) {
        if (fd >= FDS_MAX) die("too many descriptors");
        struct file *file = known(&at);
        if (file == NULL) file = load(fd, path, &at);
        file->descriptors += 1;
        descriptors[fd] = (struct descriptor){file, 0, (flags & O_APPEND) != 0};
        if (flags & O_TRUNC) resize(file, 0);
    }
    leave();
    return fd;
}

#define MODE_OF(flags, mode)                  \
    mode_t mode = 0;                          \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {  \
        va_list more;                         \
        va_start(more, flags);                \
        mode = va_arg(more, mode_t);          \
        va_end(more);                         \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_file(path, flags, mode);
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    if (at != AT_FDCWD && path[0] != '/') die("openat relative to a descriptor is not known");
    return open_file(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_at(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE_OF(flags, mode)
    return open_at(at, path, flags, mode);
}

int close(int fd) {
    enter();
    struct file *file = file_of(fd);
    if (file != NULL) {
        descriptors[fd].file = NULL;
        file->descriptors -= 1;
        /* What is not synced stays readable, as it does in a kernel. */
        int clean = file->dirty_from == file->dirty_to && file->size == file->size_on_disk;
        if (file->descriptors == 0 && (clean || file->removed)) forget(file);
    }
    leave();
    return real_close(fd);
}

int unlink(const char *path) {
    enter();
    struct stat at;
    struct file *file = is_inside(path) && real_stat(path, &at) == 0 ? known(&at) : NULL;
    int result = real_unlink(path);
    if (result == 0 && file != NULL) {
        file->removed = 1;
        if (file->descriptors == 0) forget(file);
    }
    leave();
    return result;
}

int rename(const char *from, const char *to) {
    enter();
    struct stat moved, replaced;
    struct file *file = is_inside(from) && real_stat(from, &moved) == 0 ? known(&moved) : NULL;
    struct file *old = is_inside(to) && real_stat(to, &replaced) == 0 ? known(&replaced) : NULL;
    int result = real_rename(from, to);
    if (result == 0 && file != NULL) {
        snprintf(file->name, sizeof file->name, "%s", strrchr(to, '/') + 1);
    }
    if (result == 0 && old != NULL && old != file) {
        old->removed = 1;
        if (old->descriptors == 0) forget(old);
    }
    leave();
    return result;
}

int dup(int fd) {
    enter();
    if (file_of(fd) != NULL) die("dup of a file is not known");
    leave();
    return real_dup(fd);
}

/* ---- calls that read ---- */

ssize_t read(int fd, void *bytes, size_t length) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return real_read(fd, bytes, length);
    }
    size_t taken = get(file, (size_t)descriptors[fd].offset, bytes, length);
    descriptors[fd].offset += (off_t)taken;
    leave();
    return (ssize_t)taken;
}

static ssize_t read_at(int fd, void *bytes, size_t length, off_t at) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return real_pread(fd, bytes, length, at);
    }
    size_t taken = get(file, (size_t)at, bytes, length);
    leave();
    return (ssize_t)taken;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
    return read_at(fd, bytes, length, at);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
    return read_at(fd, bytes, length, at);
}

static off_t seek(int fd, off_t by, int from) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return real_lseek(fd, by, from);
    }
    off_t base = 0;
    if (from == SEEK_CUR) base = descriptors[fd].offset;
    else if (from == SEEK_END) base = (off_t)file->size;
    else if (from != SEEK_SET) die("a seek for holes is not known");
    descriptors[fd].offset = base + by;
    leave();
    return base + by;
}

off_t lseek(int fd, off_t by, int from) {
    return seek(fd, by, from);
}

off64_t lseek64(int fd, off64_t by, int from) {
    return seek(fd, by, from);
}

static int stat_of(int result, struct stat *at) {
    if (result == 0) {
        enter();
        struct file *file = known(at);
        if (file != NULL) at->st_size = (off_t)file->size;
        leave();
    }
    return result;
}

int fstat(int fd, struct stat *at) {
    pthread_once(&once, start);
    return stat_of(real_fstat(fd, at), at);
}

int fstat64(int fd, struct stat64 *at) {
    pthread_once(&once, start);
    return stat_of(real_fstat(fd, (struct stat *)at), (struct stat *)at);
}

int stat(const char *restrict path, struct stat *restrict at) {
    pthread_once(&once, start);
    return stat_of(real_stat(path, at), at);
}

int stat64(const char *restrict path, struct stat64 *restrict at) {
    pthread_once(&once, start);
    return stat_of(real_stat(path, (struct stat *)at), (struct stat *)at);
}

static void *map(void *where, size_t length, int protection, int flags, int fd, off_t at) {
    pthread_once(&once, start);
    if (!(flags & MAP_ANONYMOUS) && file_of(fd) != NULL) die("mmap of a file is not known");
    return real_mmap(where, length, protection, flags, fd, at);
}

void *mmap(void *where, size_t length, int protection, int flags, int fd, off_t at) {
    return map(where, length, protection, flags, fd, at);
}

void *mmap64(void *where, size_t length, int protection, int flags, int fd, off64_t at) {
    return map(where, length, protection, flags, fd, at);
}

/* ---- calls that write ---- */

/* Says that the needle is about to leave. `fd` is no file of ours. */
static void about_to_send(const unsigned char *bytes, size_t length) {
    if (log_fd < 0 || needle == NULL) return;
    size_t size = strlen(needle);
    const unsigned char *end = bytes + length;
    const unsigned char *found;
    while ((found = memmem(bytes, (size_t)(end - bytes), needle, size)) != NULL) {
        bytes = found + size;
        char line[SENT_MAX_BYTES + 8] = "sent ";
        size_t used = 5;
        while (bytes < end && used < SENT_MAX_BYTES && *bytes >= '0' && *bytes <= '9')
            line[used++] = (char)*bytes++;
        line[used++] = '\n';
        enter();
        say(line, used);
        leave();
    }
}

ssize_t write(int fd, const void *bytes, size_t length) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        about_to_send(bytes, length);
        return real_write(fd, bytes, length);
    }
    if (descriptors[fd].append) descriptors[fd].offset = (off_t)file->size;
    put(file, (size_t)descriptors[fd].offset, bytes, length);
    descriptors[fd].offset += (off_t)length;
    leave();
    return (ssize_t)length;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    enter();
    if (file_of(fd) != NULL) die("writev to a file is not known");
    leave();
    for (int i = 0; i < count; i += 1) about_to_send(parts[i].iov_base, parts[i].iov_len);
    return real_writev(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    pthread_once(&once, start);
    about_to_send(bytes, length);
    return real_send(fd, bytes, length, flags);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return real_pwrite(fd, bytes, length, at);
    }
    put(file, (size_t)at, bytes, length);
    leave();
    return (ssize_t)length;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_at(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    return write_at(fd, bytes, length, at);
}

static int truncate_to(int fd, off_t size) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return real_ftruncate(fd, size);
    }
    resize(file, (size_t)size);
    leave();
    return 0;
}

int ftruncate(int fd, off_t size) {
    return truncate_to(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    return truncate_to(fd, size);
}

static int sync_with(int fd, int (*sync)(int)) {
    enter();
    struct file *file = file_of(fd);
    if (file == NULL) {
        leave();
        return sync(fd);
    }
    int result = sync_file(fd, file, sync);
    leave();
    return result;
}

int fsync(int fd) {
    pthread_once(&once, start);
    return sync_with(fd, real_fsync);
}

int fdatasync(int fd) {
    pthread_once(&once, start);
    return sync_with(fd, real_fdatasync);
}

/* ---- calls that would get past it ---- */

static void refuse(int fd, const char *what) {
    enter();
    if (file_of(fd) != NULL) die(what);
    leave();
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    refuse(fd, "pwritev to a file is not known");
    (void)parts, (void)count, (void)at;
    errno = ENOSYS;
    return -1;
}

int fallocate64(int fd, int mode, off64_t at, off64_t length) {
    refuse(fd, "fallocate of a file is not known");
    (void)mode, (void)at, (void)length;
    errno = EOPNOTSUPP;
    return -1;
}

int posix_fallocate64(int fd, off64_t at, off64_t length) {
    refuse(fd, "posix_fallocate of a file is not known");
    (void)at, (void)length;
    return EOPNOTSUPP;
}

int sync_file_range(int fd, off64_t at, off64_t length, unsigned int flags) {
    refuse(fd, "sync_file_range of a file is not known");
    (void)at, (void)length, (void)flags;
    errno = ENOSYS;
    return -1;
}
