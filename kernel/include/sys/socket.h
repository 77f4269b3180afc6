/* SPDX-License-Identifier: BSD-2-Clause */
/* UAPI headers include this file of the C library. */
#ifndef KMOD_SYS_SOCKET_H
#define KMOD_SYS_SOCKET_H

#include <linux/types.h>
#include <linux/socket.h>

typedef unsigned short sa_family_t;
struct sockaddr {
	sa_family_t sa_family;
	char sa_data[14];
};

#endif
