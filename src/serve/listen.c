/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of a served device. A socket file that no process listens on was left by a server that
 * was killed, and is replaced. At the end the file is removed if it is still this server's.
 */
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "serve/served.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define QUEUE 8 /* clients that wait while another one uses the device */

/* The path is in use: removes it if it is a socket without a server. 0: it was removed; -errno. */
static int listen_replace(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT
			       ? 0
			       : error_set(errno, "cannot serve at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(EEXIST,
				 "cannot serve at %s: a file that is not a socket is there; choose "
				 "another path or remove it",
				 path);
	fd = vfuser_connect(path);
	if (fd >= 0) {
		close(fd);
		return error_set(EADDRINUSE,
				 "cannot serve at %s: another server uses the socket; choose "
				 "another path or end that server",
				 path);
	}
	if (fd != -ECONNREFUSED)
		return error_set(EADDRINUSE,
				 "cannot serve at %s: the socket cannot be examined: %s", path,
				 strerror(-fd));
	return unlink(path) && errno != ENOENT
		       ? error_set(errno, "cannot replace the socket %s, which has no server: %s",
				   path, strerror(errno))
		       : 0;
}

static int listen_bind(int fd, const char *path, const struct sockaddr_un *a)
{
	int err;

	if (!bind(fd, (const struct sockaddr *)a, sizeof(*a)))
		return 0;
	if (errno != EADDRINUSE)
		return error_set(errno, "cannot serve at %s: %s", path, strerror(errno));
	err = listen_replace(path);
	if (err)
		return err;
	if (!bind(fd, (const struct sockaddr *)a, sizeof(*a)))
		return 0;
	return error_set(errno, "cannot serve at %s: %s", path, strerror(errno));
}

static void listen_remove(struct served *s)
{
	struct stat st;

	if (!lstat(s->config.path, &st) && S_ISSOCK(st.st_mode) && st.st_dev == s->socket_dev &&
	    st.st_ino == s->socket_ino)
		unlink(s->config.path);
}

/* Only the owner of the file may connect. No process can connect before listen(). */
static int listen_start(struct served *s, int fd)
{
	struct stat st;

	if (chmod(s->config.path, 0600) || lstat(s->config.path, &st))
		return error_set(errno, "cannot serve at %s: %s", s->config.path, strerror(errno));
	s->socket_dev = st.st_dev;
	s->socket_ino = st.st_ino;
	if (listen(fd, QUEUE))
		return error_set(errno, "cannot serve at %s: %s", s->config.path, strerror(errno));
	return 0;
}

int listen_open(struct served *s)
{
	struct sockaddr_un a;
	int err = vfuser_address(s->config.path, &a), fd;

	if (err)
		return err;
	fd = fail_here(FAIL_MEMORY, NULL)
		     ? (errno = EMFILE, -1)
		     : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(errno, "no socket for %s: %s", s->config.path, strerror(errno));
	err = listen_bind(fd, s->config.path, &a);
	if (!err) {
		err = listen_start(s, fd);
		if (err)
			unlink(s->config.path);
	}
	if (err) {
		close(fd);
		return err;
	}
	fork_fd_add(fd);
	s->listen_fd = fd;
	return 0;
}

void listen_close(struct served *s)
{
	if (s->listen_fd < 0)
		return;
	listen_remove(s);
	fork_fd_close(s->listen_fd);
	s->listen_fd = -1;
}

int listen_accept(struct served *s)
{
	struct pollfd p = {.fd = s->listen_fd, .events = POLLIN};
	int fd;

	if (poll(&p, 1, VFUSER_TICK_MS) <= 0)
		return -EAGAIN;
	fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
