/* A disk that fails at the n-th call that writes below one folder, and goes on failing until a file appears.

   Preloaded (LD_PRELOAD). Read from the environment at every call, so that a child may set them for itself:
   DISK_FOLDER  calls on files below it count
   DISK_FAIL_AT the n-th of them fails, and all after it (0 or missing: none)
   DISK_ERRNO   28 (ENOSPC) or 5 (EIO)
   DISK_CURE    once this file exists, nothing fails any more
   DISK_COUNT   a file of 8 bytes, mapped by the harness: how many calls were counted */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile int64_t *counter(void) {
  static volatile int64_t *mapped;
  static char known[PATH_MAX];
  const char *path = getenv("DISK_COUNT");
  if (!path) return NULL;
  if (!mapped || strcmp(known, path)) {
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = real_open(path, O_RDWR);
    if (file < 0) return NULL;
    mapped = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    strncpy(known, path, sizeof known - 1);
  }
  return mapped;
}

static int fails_path(const char *path) {
  const char *folder = getenv("DISK_FOLDER"), *at = getenv("DISK_FAIL_AT"), *cure = getenv("DISK_CURE");
  const char *number = getenv("DISK_ERRNO");
  volatile int64_t *count = counter();
  if (!folder || !count || !path || strncmp(path, folder, strlen(folder))) return 0;
  int64_t seen = __sync_add_and_fetch(count, 1);
  if (!at || atoll(at) <= 0 || seen < atoll(at)) return 0;
  if (cure && access(cure, F_OK) == 0) return 0;
  errno = number ? atoi(number) : ENOSPC;
  return 1;
}

static int fails_file(int file) {
  char link[64], path[PATH_MAX];
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, path, sizeof path - 1);
  errno = saved;
  if (size <= 0) return 0;
  path[size] = 0;
  return fails_path(path);
}

#define REAL(name, result, ...)                  \
  static result (*real)(__VA_ARGS__);             \
  if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t write(int file, const void *data, size_t size) {
  REAL("write", ssize_t, int, const void *, size_t);
  return fails_file(file) ? -1 : real(file, data, size);
}
ssize_t writev(int file, const struct iovec *parts, int count) {
  REAL("writev", ssize_t, int, const struct iovec *, int);
  return fails_file(file) ? -1 : real(file, parts, count);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t place) {
  REAL("pwrite", ssize_t, int, const void *, size_t, off_t);
  return fails_file(file) ? -1 : real(file, data, size, place);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t place) {
  REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
  return fails_file(file) ? -1 : real(file, data, size, place);
}
int fsync(int file) {
  REAL("fsync", int, int);
  return fails_file(file) ? -1 : real(file);
}
int ftruncate(int file, off_t size) {
  REAL("ftruncate", int, int, off_t);
  return fails_file(file) ? -1 : real(file, size);
}
int ftruncate64(int file, off64_t size) {
  REAL("ftruncate64", int, int, off64_t);
  return fails_file(file) ? -1 : real(file, size);
}
int mkdir(const char *path, mode_t mode) {
  REAL("mkdir", int, const char *, mode_t);
  return fails_path(path) ? -1 : real(path, mode);
}
int rename(const char *from, const char *to) {
  REAL("rename", int, const char *, const char *);
  return fails_path(to) ? -1 : real(from, to);
}
int open(const char *path, int flags, ...) {
  REAL("open", int, const char *, int, ...);
  va_list more;
  va_start(more, flags);
  mode_t mode = va_arg(more, int);
  va_end(more);
  return (flags & O_CREAT) && fails_path(path) ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  REAL("open64", int, const char *, int, ...);
  va_list more;
  va_start(more, flags);
  mode_t mode = va_arg(more, int);
  va_end(more);
  return (flags & O_CREAT) && fails_path(path) ? -1 : real(path, flags, mode);
}
