/* SPDX-License-Identifier: BSD-2-Clause */
/* What UAPI headers ask the C library for. */
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
