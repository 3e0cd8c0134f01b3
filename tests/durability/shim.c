// Preloaded into a server under test. Writes down, in order, what the program does to the files below THEXR_SHIM_ROOT,
// with the bytes, so that a test can work out what a disk would hold after a power cut at any moment. With
// THEXR_SHIM_KILL_AT=n it kills the process just before its n-th such change, which is how every step of a job
// gets its crash.
//
// Absent on purpose: sync_file_range (promises nothing about durability), mmap (only SQLite's -shm is mapped, and
// that file does not outlive the machine). Any other way to change a file would show: the test compares the files
// rebuilt from the whole log with the real ones.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Kinds of records; tests/durability/log.rs has the same numbers.
enum { START = 1, OPEN, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR };

// In front of every record; `length` payload bytes follow.
struct header {
  uint32_t kind;
  int32_t fd;
  uint64_t offset; // of a write; the length for TRUNCATE; the open flags for OPEN
  uint64_t length;
  int64_t ns; // CLOCK_MONOTONIC, taken with the lock held, so it never runs backwards in the log
};

#define FDS 65536
static unsigned char tracked[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static size_t root_len;
static int log_fd = -1;
static long kill_at, changes;

static void record(uint32_t kind, int fd, uint64_t offset, const struct iovec *parts, int count, uint64_t length) {
  if (log_fd < 0)
    return;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct header header = {kind, fd, offset, length, now.tv_sec * 1000000000LL + now.tv_nsec};
  struct iovec all[17];
  all[0] = (struct iovec){&header, sizeof header};
  int used = 1;
  for (int i = 0; i < count && length > 0 && used < 17; i++) {
    size_t part = parts[i].iov_len < length ? parts[i].iov_len : length;
    all[used++] = (struct iovec){parts[i].iov_base, part};
    length -= part;
  }
  // A log that is not whole would prove anything.
  if (length > 0 || syscall(SYS_writev, log_fd, all, used) < (long)sizeof header)
    abort();
}

static void record_text(uint32_t kind, int fd, uint64_t offset, const char *text) {
  struct iovec part = {(void *)text, strlen(text)};
  record(kind, fd, offset, &part, 1, part.iov_len);
}

// Called with the lock held, before a change is made.
static void step(void) {
  if (++changes == kill_at)
    kill(getpid(), SIGKILL);
}

static int ours(const char *path) {
  return root && path && strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0);
}

static int is_tracked(int fd) { return fd >= 0 && fd < FDS && tracked[fd]; }

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("THEXR_SHIM_LOG");
  const char *at = getenv("THEXR_SHIM_KILL_AT");
  root = getenv("THEXR_SHIM_ROOT");
  root_len = root ? strlen(root) : 0;
  kill_at = at ? atol(at) : 0;
  if (path)
    log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (root)
    record_text(START, -1, 0, root);
}

static int open_any(int dir, const char *path, int flags, mode_t mode) {
  if (!ours(path))
    return syscall(SYS_openat, dir, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before;
  int changes_something = ((flags & O_CREAT) && stat(path, &before) != 0) || (flags & O_TRUNC);
  if (changes_something)
    step();
  int fd = syscall(SYS_openat, dir, path, flags, mode);
  int error = errno;
  if (fd >= 0 && fd < FDS) {
    tracked[fd] = 1;
    record_text(OPEN, fd, flags, path);
  } else if (fd >= FDS) {
    abort();
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

#define MODE                                                                                                           \
  mode_t mode = 0;                                                                                                     \
  if (flags & (O_CREAT | __O_TMPFILE)) {                                                                               \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode = va_arg(rest, mode_t);                                                                                       \
    va_end(rest);                                                                                                      \
  }

int open(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_any(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE return open_any(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE return open_any(dir, path, flags, mode); }

int close(int fd) {
  if (!is_tracked(fd))
    return syscall(SYS_close, fd);
  pthread_mutex_lock(&lock);
  tracked[fd] = 0;
  int done = syscall(SYS_close, fd);
  pthread_mutex_unlock(&lock);
  return done;
}

// `at` < 0: where the descriptor stands.
static ssize_t write_any(int fd, const struct iovec *parts, int count, int64_t at) {
  if (!is_tracked(fd))
    return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
  pthread_mutex_lock(&lock);
  step();
  ssize_t done;
  if (at < 0) {
    done = syscall(SYS_writev, fd, parts, count);
    at = done < 0 ? 0 : lseek(fd, 0, SEEK_CUR) - done;
  } else {
    done = syscall(SYS_pwritev, fd, parts, count, at, 0);
  }
  int error = errno;
  if (done > 0)
    record(WRITE, fd, at, parts, count, done);
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  struct iovec part = {(void *)data, length};
  return write_any(fd, &part, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_any(fd, parts, count, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  struct iovec part = {(void *)data, length};
  return write_any(fd, &part, 1, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
  struct iovec part = {(void *)data, length};
  return write_any(fd, &part, 1, at);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_any(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return write_any(fd, parts, count, at); }

static int truncate_any(int fd, off_t length) {
  if (!is_tracked(fd))
    return syscall(SYS_ftruncate, fd, length);
  pthread_mutex_lock(&lock);
  step();
  int done = syscall(SYS_ftruncate, fd, length);
  int error = errno;
  if (done == 0)
    record(TRUNCATE, fd, length, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}
int ftruncate(int fd, off_t length) { return truncate_any(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_any(fd, length); }

// What was written before the begin is durable once the end is reached. The lock is not held meanwhile, so other
// threads' writes fall where they really fall.
static int sync_any(int fd, long call) {
  if (!is_tracked(fd))
    return syscall(call, fd);
  pthread_mutex_lock(&lock);
  step();
  record(SYNC_BEGIN, fd, 0, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  int done = syscall(call, fd);
  int error = errno;
  if (done == 0) {
    pthread_mutex_lock(&lock);
    record(SYNC_END, fd, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
  }
  errno = error;
  return done;
}
int fsync(int fd) { return sync_any(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_any(fd, SYS_fdatasync); }

#define NAMED(path, call, log)                                                                                         \
  if (!ours(path))                                                                                                     \
    return call;                                                                                                       \
  pthread_mutex_lock(&lock);                                                                                           \
  step();                                                                                                              \
  int done = call;                                                                                                     \
  int error = errno;                                                                                                   \
  if (done == 0)                                                                                                       \
    log;                                                                                                               \
  pthread_mutex_unlock(&lock);                                                                                         \
  errno = error;                                                                                                       \
  return done;

static int rename_any(const char *from, const char *to) {
  struct iovec parts[3] = {{(void *)from, strlen(from)}, {(void *)"\n", 1}, {(void *)to, strlen(to)}};
  uint64_t length = parts[0].iov_len + 1 + parts[2].iov_len;
  NAMED(from, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), record(RENAME, -1, 0, parts, 3, length))
}
int rename(const char *from, const char *to) { return rename_any(from, to); }

static int unlink_any(int dir, const char *path, int flags) {
  NAMED(path, syscall(SYS_unlinkat, dir, path, flags), record_text(UNLINK, -1, 0, path))
}
int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return unlink_any(dir, path, flags); }
int rmdir(const char *path) { return unlink_any(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
  NAMED(path, syscall(SYS_mkdirat, AT_FDCWD, path, mode), record_text(MKDIR, -1, 0, path))
}
