/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network cable whose other end is held by a program, for models of network cards: the key
 * wire=fd:N. N is one end of an AF_UNIX socket pair of type SOCK_DGRAM or SOCK_SEQPACKET. A message
 * is one Ethernet frame, without padding and FCS.
 *
 * No frame is lost: a frame that cannot be received yet stays in the socket, and a full socket
 * makes the sender wait. A message that is too short or too long to be a frame is dropped and
 * logged.
 *
 * Context of every function: one thread at a time for each struct dmamap_wire.
 */
#ifndef DMAMAP_WIRE_H
#define DMAMAP_WIRE_H

#include <dmamap/types.h>

DMAMAP_BEGIN

#define DMAMAP_WIRE_FRAME_MIN 14u /* an Ethernet header */

enum dmamap_wire_result {
	DMAMAP_WIRE_DONE, /* a frame was received or sent */
	DMAMAP_WIRE_WAIT, /* no frame, or no space for one; poll() reports a change */
	DMAMAP_WIRE_GONE, /* the other end was closed */
};

struct dmamap_wire {
	int fd; /* the library's duplicate; -1: closed */
	char name[16];
	u64 dropped; /* invalid messages, and frames that no message can hold */
};

/**
 * dmamap_wire_is_fd() - Test whether the value of a key has the form fd:N.
 * @value: the value.
 * Return: true if it begins with "fd:".
 */
DMAMAP_API bool dmamap_wire_is_fd(const char *value);

/**
 * dmamap_wire_open() - Connect to the end that "fd:N" names.
 * @wire: receives the connection; it is unchanged if the value is wrong.
 * @value: the value of the key. The caller of dmamap_open() keeps ownership of N.
 * @owner: the beginning of an error message, such as "sim:e1000e".
 * Return: 0. With an error message: -EINVAL: not a number. -EBADF: not a descriptor. -ENOTSOCK,
 *   -EPROTOTYPE: not such a socket. -ENOTCONN: the other end is not connected. -EMFILE: no
 *   descriptor is left; a retry helps after some were closed.
 */
DMAMAP_API int dmamap_wire_open(struct dmamap_wire *wire, const char *value, const char *owner);

/**
 * dmamap_wire_close() - Disconnect.
 * @wire: the connection; closing it twice has no effect.
 */
DMAMAP_API void dmamap_wire_close(struct dmamap_wire *wire);

/**
 * dmamap_wire_receive() - Receive the next frame without waiting.
 * @wire: the connection.
 * @buf: receives the frame.
 * @most: the capacity of @buf.
 * @len: receives the length of the frame.
 *
 * A bounded number of messages is examined.
 * Return: an enum dmamap_wire_result.
 */
DMAMAP_API enum dmamap_wire_result dmamap_wire_receive(struct dmamap_wire *wire, void *buf,
						       u32 most, u32 *len);

/**
 * dmamap_wire_send() - Send a frame without waiting.
 * @wire: the connection.
 * @frame: the frame.
 * @len: its length.
 * Return: an enum dmamap_wire_result. DMAMAP_WIRE_DONE also if the frame was dropped.
 */
DMAMAP_API enum dmamap_wire_result dmamap_wire_send(struct dmamap_wire *wire, const void *frame,
						    u32 len);

DMAMAP_END

#endif
