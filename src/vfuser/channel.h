/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One end of a vfio-user connection: messages over an AF_UNIX stream socket, with file descriptors.
 *
 * A receive reads ahead, so that a message usually costs one system call. A message's descriptors
 * arrive with its first byte. The kernel ends a read after the part of the stream that was sent
 * with descriptors, so the descriptors of a read belong to the message that contains the read's
 * last byte. Data is read ahead only while no message is incomplete, so at most one message has
 * descriptors that were not returned yet.
 *
 * Nothing can overflow: only a peer that violates the protocol sends a message that is larger than
 * the caller's buffer or has more descriptors than VFUSER_FDS_MAX, and then the connection ends.
 */
#ifndef VFUSER_CHANNEL_H
#define VFUSER_CHANNEL_H

#include "vfuser/proto.h"

#include <sys/uio.h>

#define VFUSER_FDS_MAX	   32u	/* descriptors of one message */
#define VFUSER_AHEAD	   4096 /* bytes that are read ahead */
#define VFUSER_PARTS_MAX   3	/* parts of the payload of one message */
#define VFUSER_TICK_MS	   100	/* a blocked system call returns at least this often */
#define VFUSER_FOREVER_MS  (~0ull)
#define VFUSER_COMPLETE_MS 1000u /* what vfuser_channel_init() sets */

/* Receives: one thread at a time. Sends: one thread at a time. Both at once are allowed. */
struct vfuser_channel {
	int fd; /* owned; -1: closed */
	/* the other fields belong to the receiving thread */
	bool broken;	  /* a message was incomplete or wrong, so the stream has no boundaries */
	u32 begin, end;	  /* of the bytes in `ahead` that were read and not returned */
	u32 fds_end;	  /* where in `ahead` the read that brought the descriptors ended */
	u32 n_fds;	  /* descriptors that were received and not returned */
	u32 fds_accepted; /* most descriptors in one message, at most VFUSER_FDS_MAX */
	u64 complete_ms;  /* time for the rest of a message that has begun */
	int fds[VFUSER_FDS_MAX];
	u8 ahead[VFUSER_AHEAD] __attribute__((aligned(8)));
};

struct vfuser_message {
	struct vfuser_header head;
	void *data; /* set by the caller: a buffer for the payload */
	u32 room;   /* set by the caller: its size */
	u32 size;   /* of the payload */
	u32 n_fds;
	int fds[VFUSER_FDS_MAX]; /* owned by the caller, which closes those that it does not use */
};

/*
 * Begins to use a connected socket, which the channel then owns. Returns 0, or -errno with an error
 * message if the descriptor is not a socket; it then remains the caller's.
 */
int vfuser_channel_init(struct vfuser_channel *c, int fd);

/* Closes the socket and the descriptors that were received and not returned. */
void vfuser_channel_fini(struct vfuser_channel *c);

/* Wakes threads that wait in the channel; every later call fails. Any thread. */
void vfuser_channel_stop(struct vfuser_channel *c);

/*
 * Receives one message. Returns 0, or without an error message
 *   -EAGAIN      no message has begun within timeout_ms; the call may be repeated
 *   -ENOTCONN    the peer closed the connection between two messages
 * or with an error message, and then the connection is unusable
 *   -ETIMEDOUT   the message was incomplete complete_ms after it had begun
 *   -EPROTO      the connection was closed within a message, the message has an impossible size, or
 *                it has more descriptors than fds_accepted
 *   -EMSGSIZE    the payload exceeds m->room
 *   -errno       of recvmsg()
 * On failure m->n_fds is 0 and no descriptor is left.
 */
int vfuser_receive(struct vfuser_channel *c, struct vfuser_message *m, u64 timeout_ms);

/* Whether a message or a part of one was read ahead, so that poll() may not report the rest. */
static inline bool vfuser_has_ahead(const struct vfuser_channel *c)
{
	return c->begin != c->end;
}

/*
 * Sends one message: head, whose `size` is computed here, at most VFUSER_PARTS_MAX parts, and
 * descriptors, which remain the caller's. Returns 0; -ETIMEDOUT: the peer does not read; -EPIPE: it
 * closed the connection; -errno of sendmsg(). After a failure the connection is unusable. Sets an
 * error message.
 */
int vfuser_send(struct vfuser_channel *c, struct vfuser_header head, const struct iovec *parts,
		int n_parts, const int *fds, u32 n_fds, u64 timeout_ms);

/* Sends the reply to a request: the payload, or with err > 0 only that errno. As vfuser_send(). */
int vfuser_reply(struct vfuser_channel *c, const struct vfuser_header *request, int err,
		 const void *data, u32 size, u64 timeout_ms);

/* Closes the descriptors of a message that were not set to -1. */
void vfuser_message_close(struct vfuser_message *m);

struct sockaddr_un;
/* Returns 0; -ENAMETOOLONG, -EINVAL with an error message: the path is too long or empty. */
int vfuser_address(const char *path, struct sockaddr_un *out);

/*
 * Connects to a server's socket. Returns a descriptor (close-on-exec); -ENAMETOOLONG; -EINVAL;
 * -ENOENT, -ECONNREFUSED: no server is there; -EACCES; -EMFILE; with an error message.
 */
int vfuser_connect(const char *path);

#endif
