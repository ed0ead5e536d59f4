/*
 * The system calls that Deno does not have, one small function each: no policy, no state, no memory of its own. Each
 * returns what the call returned, or -errno. Who calls them and why: library.ts, which declares each of them once more.
 *
 * Built by `deno task build`: cc -O2 -shared -fPIC.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int result(long value) {
  return value < 0 ? -errno : (int)value;
}

/* Raised whenever a function below changes, so that library.ts can tell a library of another version. */
int lguest_version(void) {
  return 2;
}

const char *lguest_strerror(int error) {
  return strerror(error);
}

/* Bytes of an `unsigned long`, in which /dev/lguest speaks. */
int lguest_long_size(void) {
  return sizeof(unsigned long);
}

/* Files. Relative paths are relative to `directory`, or to the working directory if that is AT_FDCWD (-100). */

int lguest_openat(int directory, const char *path, int flags) {
  return result(openat(directory, path, flags | O_CLOEXEC));
}

int lguest_close(int fd) {
  return result(close(fd));
}

int lguest_read(int fd, void *buffer, uint32_t length) {
  return result(read(fd, buffer, length));
}

int lguest_write(int fd, const void *buffer, uint32_t length) {
  return result(write(fd, buffer, length));
}

int lguest_writev(int fd, const struct iovec *vector, int count) {
  return result(writev(fd, vector, count));
}

/* /dev/lguest takes the number of a virtual CPU for the offset. */
int lguest_pread(int fd, void *buffer, uint32_t length, uint32_t offset) {
  return result(pread(fd, buffer, length, offset));
}

int lguest_pwrite(int fd, const void *buffer, uint32_t length, uint32_t offset) {
  return result(pwrite(fd, buffer, length, offset));
}

int lguest_poll(struct pollfd *fds, uint32_t count, int milliseconds) {
  return result(poll(fds, count, milliseconds));
}

int lguest_eventfd(void) {
  return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int lguest_getdents(int directory, void *buffer, uint32_t length) {
  return result(syscall(SYS_getdents64, directory, buffer, length));
}

/* From <linux/mount.h>, which has them since 5.2; the call has this number everywhere. */
enum { OPEN_TREE_CALL = 428, TREE_CLONE = 1, TREE_RECURSIVE = 0x8000 };

/* A directory for lguest_openat() that is a root of its own: no path leads out of it. Needs CAP_SYS_ADMIN. */
int lguest_open_tree(const char *path) {
  return result(syscall(OPEN_TREE_CALL, AT_FDCWD, path, TREE_CLONE | TREE_RECURSIVE | O_CLOEXEC));
}

/* Devices and interfaces. */

int lguest_ioctl(int fd, uint32_t request, void *argument) {
  return result(ioctl(fd, (unsigned long)request, argument));
}

int lguest_ioctl_value(int fd, uint32_t request, uint32_t argument) {
  return result(ioctl(fd, (unsigned long)request, (unsigned long)argument));
}

int lguest_socket(int domain, int type, int protocol) {
  return result(socket(domain, type | SOCK_CLOEXEC, protocol));
}

int lguest_if_nametoindex(const char *name) {
  unsigned index = if_nametoindex(name);
  return index == 0 ? -errno : (int)index;
}

/* Threads and signals. */

int lguest_gettid(void) {
  return result(syscall(SYS_gettid));
}

/* Send a signal to one thread of this process. */
int lguest_tgkill(int thread, int signal) {
  return result(syscall(SYS_tgkill, getpid(), thread, signal));
}

static void nothing(int signal) {
  (void)signal;
}

/* From now on a signal does nothing but end the system call that a thread waits in, with EINTR: no SA_RESTART. */
int lguest_catch_signal(int signal) {
  struct sigaction action = {.sa_handler = nothing};
  sigemptyset(&action.sa_mask);
  return result(sigaction(signal, &action, NULL));
}

/* Privileges. glibc applies the three set… calls to every thread of the process. */

/* ids[0] = user, ids[1] = its group; -ENOENT if there is no such user. */
int lguest_getpwnam(const char *name, uint32_t *ids) {
  char strings[16384];
  struct passwd entry, *user;
  int error = getpwnam_r(name, &entry, strings, sizeof strings, &user);
  if (!user) return error == 0 ? -ENOENT : -error;
  ids[0] = user->pw_uid;
  ids[1] = user->pw_gid;
  return 0;
}

/* The groups of a user, `group` among them: how many; -ERANGE if there are more than `most`. */
int lguest_getgrouplist(const char *name, uint32_t group, gid_t *groups, int most) {
  int count = most;
  return getgrouplist(name, group, groups, &count) < 0 ? -ERANGE : count;
}

int lguest_setgroups(uint32_t count, const gid_t *groups) {
  return result(setgroups(count, groups));
}

int lguest_setresgid(uint32_t group) {
  return result(setresgid(group, group, group));
}

int lguest_setresuid(uint32_t user) {
  return result(setresuid(user, user, user));
}

/* Make an open directory the root and the working directory of the process. */
int lguest_chroot(int directory) {
  if (fchdir(directory) < 0 || chroot(".") < 0) return -errno;
  return result(chdir("/"));
}
