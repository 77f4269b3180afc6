/* SPDX-License-Identifier: BSD-2-Clause */
/* A message with file descriptors, as a peer that keeps no rules sends it. */
#ifndef TESTS_FD_MESSAGE_H
#define TESTS_FD_MESSAGE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define FD_MESSAGE_MOST 64

/* Returns false if the peer is gone; a peer that does not read is not an error. n_fds <= 64. */
static inline bool fd_message_send(int socket, const void *bytes, size_t n, const int *fds,
				   unsigned int n_fds, int flags)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(FD_MESSAGE_MOST * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.h.cmsg_level = SOL_SOCKET;
		control.h.cmsg_type = SCM_RIGHTS;
		control.h.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.h), fds, n_fds * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | flags) >= 0 || errno == EAGAIN;
}

#endif
