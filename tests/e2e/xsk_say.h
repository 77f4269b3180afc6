/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs of xsk_preload.sh share: they print each call with its result, and move packets
 * by sendto() until a counter has a value. No wait is without a bound.
 */
#ifndef XSK_SAY_H
#define XSK_SAY_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#define SOL_OF_XDP 283
#define CHUNK	   4096u
#define FRAME	   60u
#define LONG_MS	   3000

#define SAY(call)                                                                                  \
	do {                                                                                       \
		errno = 0;                                                                         \
		say(#call, (long)(call));                                                          \
	} while (0)

static inline void say(const char *call, long result)
{
	printf("%s: %ld%s%s\n", call, result, result < 0 ? " " : "",
	       result < 0 ? strerrorname_np(errno) : "");
}

/* A short frame to every station in chunk `n`, of a protocol that no system answers. */
static inline void frame_put(struct xdp_desc *d, char *memory, unsigned int n)
{
	*d = (struct xdp_desc){.addr = n * (__u64)CHUNK, .len = FRAME};
	memset(memory + d->addr, 0xff, FRAME);
	memset(memory + d->addr + 12, 0x88, 2);
}

/* Sends what is in the TX ring. A pause follows, so that another thread can work. */
static inline void kick(int fd)
{
	sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
	usleep(1000);
}

#endif
