/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire=fd:N: a network cable whose other end is held by a program. N is one end of an AF_UNIX
 * socket pair of type SOCK_DGRAM or SOCK_SEQPACKET. A message is one Ethernet frame, without
 * padding and FCS.
 *
 * No frame is lost: a frame that cannot be received yet stays in the socket, and a full socket
 * makes the sender wait. A message that is too short or too long to be a frame is dropped and
 * logged.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/compiler.h"

#define WIRE_FRAME_MIN 14u /* an Ethernet header */

enum wire_result {
	WIRE_DONE, /* a frame was received or sent */
	WIRE_WAIT, /* no frame, or no space for one; poll() reports a change */
	WIRE_GONE, /* the other end was closed */
};

struct wire {
	int fd; /* the library's duplicate; -1: closed */
	char name[16];
	u64 dropped; /* invalid messages, and frames that no message can hold */
};

/* Whether the key's value has the form fd:N. */
bool wire_is_fd(const char *value);

/*
 * Opens "fd:N"; the caller of dmamap_open() keeps ownership of N. Error messages begin with
 * `owner`. Returns 0; -EINVAL: not a number; -EBADF: not a descriptor; -ENOTSOCK, -EPROTOTYPE: not
 * such a socket; -ENOTCONN: the other end is not connected; -EMFILE.
 */
int wire_open(struct wire *w, const char *value, const char *owner);
void wire_close(struct wire *w);

/*
 * Receives the next frame of at most `most` bytes without waiting and sets `*len`. Examines a
 * bounded number of messages.
 */
enum wire_result wire_receive(struct wire *w, void *buf, u32 most, u32 *len);

/* Sends a frame without waiting. WIRE_DONE also if the frame was dropped. */
enum wire_result wire_send(struct wire *w, const void *frame, u32 len);

#endif
