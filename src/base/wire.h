/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire=fd:N: a network cable whose other end a program holds. N is one end of an AF_UNIX pair of
 * type SOCK_DGRAM or SOCK_SEQPACKET; a message is one Ethernet frame, without padding and checksum.
 *
 * Nothing is lost in a wire: a frame that cannot be taken yet stays in the socket, whose sender
 * then waits. What is no frame (a message that is too short or too long) is dropped and logged.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/compiler.h"

#define WIRE_FRAME_MIN 14u /* the header of a frame */

enum wire_result {
	WIRE_DONE, /* a frame was received, or sent */
	WIRE_WAIT, /* there is none, or no place for one: poll() says when */
	WIRE_GONE, /* the other end is closed */
};

struct wire {
	int fd; /* our duplicate; -1: closed */
	char name[16];
	u64 dropped; /* messages that were no frames, and frames that no message can hold */
};

/* The value of the key is one of these. */
bool wire_is_fd(const char *value);

/*
 * Opens "fd:N"; the caller of dmamap_open() keeps N. `owner` begins the error messages. 0; -EINVAL:
 * no number; -EBADF: no descriptor; -ENOTSOCK, -EPROTOTYPE: not such a socket; -ENOTCONN: no other
 * end; -EMFILE.
 */
int wire_open(struct wire *w, const char *value, const char *owner);
void wire_close(struct wire *w);

/*
 * The next frame, of at most `most` bytes, without waiting; `*len` bytes. Looks at a bounded number
 * of messages.
 */
enum wire_result wire_receive(struct wire *w, void *buf, u32 most, u32 *len);

/* Sends one, without waiting. WIRE_DONE also for one that was dropped. */
enum wire_result wire_send(struct wire *w, const void *frame, u32 len);

#endif
