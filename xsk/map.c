/* SPDX-License-Identifier: BSD-2-Clause */
#include "map.h"
#include "port.h"
#include "steer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PREFIX	   "dmamap-xsk-"
#define LINK_BEGIN "/memfd:" PREFIX
#define XSKMAP	   17 /* BPF_MAP_TYPE_XSKMAP */
#define SYSTEM_MAP (1ull << 63)

static const char *const kind_names[] = {
	[XSK_MAP_SOCKETS] = PREFIX "sockets",
	[XSK_MAP_OTHER] = PREFIX "other",
	[XSK_MAP_PROGRAM] = PREFIX "program",
};

int xsk_map_make(enum xsk_map_kind kind)
{
	int fd = memfd_create(kind_names[kind], MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * The name of a descriptor's file identifies the stand-in, so that a copy of the descriptor is a
 * stand-in too.
 */
enum xsk_map_kind xsk_map_kind_of(int fd)
{
	char path[64], target[64];
	ssize_t n;

	if (fd < 0)
		return XSK_MAP_NONE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return XSK_MAP_NONE;
	target[n] = '\0';
	if (strncmp(target, LINK_BEGIN, strlen(LINK_BEGIN)) != 0)
		return XSK_MAP_NONE;
	for (int i = XSK_MAP_SOCKETS; i <= XSK_MAP_PROGRAM; i++) {
		const char *kind = kind_names[i] + strlen(PREFIX);

		if (!strncmp(target + strlen(LINK_BEGIN), kind, strlen(kind)))
			return i;
	}
	return XSK_MAP_NONE;
}

/* The number of a map of sockets that the system created, or 0 if it is not such a map. */
static u64 xsk_map_system_id(int fd)
{
	unsigned int type = 0, id = 0;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "map_type: %u", &type);
		sscanf(line, "map_id: %u", &id);
	}
	if (f)
		fclose(f);
	return type == XSKMAP ? SYSTEM_MAP | id : 0;
}

/* A number for the map of sockets, or 0 if the descriptor is not one. */
static u64 xsk_map_id(int fd)
{
	/* all stand-ins of a map of sockets are one map: their keys are queues of different devices
	 */
	if (xsk_map_kind_of(fd) == XSK_MAP_SOCKETS)
		return XSK_MAP_ID;
	return xsk_map_system_id(fd);
}

int xsk_map_update(int map_fd, const void *key, const void *value)
{
	enum xsk_map_kind kind = xsk_map_kind_of(map_fd);
	struct xsk_port *p;
	u32 k, fd;
	u64 map;
	int err;

	if (!key || !value)
		return kind == XSK_MAP_NONE ? 1 : -EINVAL;
	if (kind == XSK_MAP_OTHER)
		return 0; /* no program reads it */
	memcpy(&k, key, sizeof(k));
	memcpy(&fd, value, sizeof(fd));
	p = xsk_port_get((int)fd);
	map = p || kind == XSK_MAP_SOCKETS ? xsk_map_id(map_fd) : 0;
	if (!map)
		err = kind == XSK_MAP_NONE ? 1 : -EINVAL;
	else
		err = p ? xsk_steer_set(map, k, p->xs) : -EOPNOTSUPP;
	/* the socket is not bound yet, so its queue is unknown */
	if (err == -ENOENT)
		err = -EBADF;
	if (p)
		xsk_port_put(p);
	return err;
}

int xsk_map_delete(int map_fd, const void *key)
{
	enum xsk_map_kind kind = xsk_map_kind_of(map_fd);
	u64 map;
	u32 k;
	int err;

	if (!key)
		return kind == XSK_MAP_NONE ? 1 : -EINVAL;
	if (kind == XSK_MAP_OTHER)
		return 0;
	map = kind == XSK_MAP_SOCKETS || xsk_ports_exist() ? xsk_map_id(map_fd) : 0;
	if (!map)
		return 1;
	memcpy(&k, key, sizeof(k));
	err = xsk_steer_clear(map, k);
	return err && kind == XSK_MAP_NONE ? 1 : err;
}
