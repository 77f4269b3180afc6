/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of libbpf that AF_XDP applications call for their interface, their XDP program and
 * its map of sockets. Attaching a program to a name of DMAMAP_XSK only records the program. The
 * sockets of this library that a map contains determine which socket receives a packet (steer.c).
 * All other calls are passed to libbpf.
 */
#include "interpose.h"
#include "map.h"
#include "name.h"
#include "xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API	 DMAMAP_API
#define NAMES	 64
#define MAPS_MAX 256

#define BPF_NEXT(name) NEXT_FN(__typeof__(&name), name)

/* The result of bpf_program__attach_xdp() for a name. */
struct xsk_bpf_link {
	unsigned int index;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u32 attached[NAMES]; /* by name: number of the program; 0: none. Under lock */
static struct xsk_bpf_link links[NAMES];
/* Stand-ins of maps that were not loaded. Under lock. */
static struct {
	const struct bpf_map *map;
	int fd;
} maps[MAPS_MAX];
static unsigned int n_maps;

/* Results of libbpf's functions: -errno, and errno itself. */
static int xsk_bpf_result(int err)
{
	if (err < 0)
		errno = -err;
	return err;
}

static struct xsk_name *xsk_bpf_name(int ifindex)
{
	return ifindex > 0 ? xsk_name_by_index((unsigned int)ifindex) : NULL;
}

/* The number of a loaded program. If the system does not report it, that of the stand-ins. */
static u32 xsk_bpf_program_id(int fd)
{
	char line[128];
	u32 id = 0;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "prog_id: %u", &id);
	if (f)
		fclose(f);
	return id ? id : XSK_PROGRAM_ID;
}

static int xsk_bpf_attach(struct xsk_name *name, int fd)
{
	if (fd < 0)
		__atomic_store_n(&name->program, false, __ATOMIC_RELAXED);
	pthread_mutex_lock(&lock);
	attached[name->index - XSK_NAME_INDEX] = fd < 0 ? 0 : xsk_bpf_program_id(fd);
	pthread_mutex_unlock(&lock);
	return 0;
}

static u32 xsk_bpf_attached(const struct xsk_name *name)
{
	u32 id;

	pthread_mutex_lock(&lock);
	id = attached[name->index - XSK_NAME_INDEX];
	pthread_mutex_unlock(&lock);
	if (!id &&
	    (xsk_xdp_attached(name->index) || __atomic_load_n(&name->program, __ATOMIC_RELAXED)))
		id = XSK_PROGRAM_ID;
	return id;
}

API int bpf_xdp_attach(int ifindex, int fd, __u32 flags, const struct bpf_xdp_attach_opts *opts)
{
	__typeof__(&bpf_xdp_attach) next = BPF_NEXT(bpf_xdp_attach);
	struct xsk_name *name = xsk_bpf_name(ifindex);

	if (name)
		return xsk_bpf_attach(name, fd);
	return next ? next(ifindex, fd, flags, opts) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_xdp_detach(int ifindex, __u32 flags, const struct bpf_xdp_attach_opts *opts)
{
	__typeof__(&bpf_xdp_detach) next = BPF_NEXT(bpf_xdp_detach);
	struct xsk_name *name = xsk_bpf_name(ifindex);

	if (name)
		return xsk_bpf_attach(name, -1);
	return next ? next(ifindex, flags, opts) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_xdp_query_id(int ifindex, int flags, __u32 *id)
{
	__typeof__(&bpf_xdp_query_id) next = BPF_NEXT(bpf_xdp_query_id);
	struct xsk_name *name = xsk_bpf_name(ifindex);

	if (name && !id)
		return xsk_bpf_result(-EINVAL);
	if (name) {
		*id = xsk_bpf_attached(name);
		return 0;
	}
	return next ? next(ifindex, flags, id) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_xdp_query(int ifindex, int flags, struct bpf_xdp_query_opts *opts)
{
	__typeof__(&bpf_xdp_query) next = BPF_NEXT(bpf_xdp_query);
	struct xsk_name *name = xsk_bpf_name(ifindex);

	if (!name)
		return next ? next(ifindex, flags, opts) : xsk_bpf_result(-EOPNOTSUPP);
	if (!opts || opts->sz < offsetof(struct bpf_xdp_query_opts, attach_mode) + 1)
		return xsk_bpf_result(-EINVAL);
	opts->prog_id = opts->drv_prog_id = xsk_bpf_attached(name);
	opts->hw_prog_id = opts->skb_prog_id = 0;
	opts->attach_mode = opts->prog_id ? XDP_ATTACHED_DRV : XDP_ATTACHED_NONE;
	return 0;
}

API struct bpf_link *bpf_program__attach_xdp(const struct bpf_program *prog, int ifindex)
{
	__typeof__(&bpf_program__attach_xdp) next = BPF_NEXT(bpf_program__attach_xdp);
	__typeof__(&bpf_program__fd) fd_of = BPF_NEXT(bpf_program__fd);
	struct xsk_name *name = xsk_bpf_name(ifindex);
	struct xsk_bpf_link *l;

	if (!name) {
		if (next)
			return next(prog, ifindex);
		errno = EOPNOTSUPP;
		return NULL;
	}
	xsk_bpf_attach(name, fd_of ? fd_of(prog) : 0);
	l = &links[name->index - XSK_NAME_INDEX];
	l->index = name->index;
	return (struct bpf_link *)(void *)l;
}

static struct xsk_bpf_link *xsk_bpf_link_of(const struct bpf_link *link)
{
	uintptr_t at = (uintptr_t)link, begin = (uintptr_t)links;

	return at >= begin && at - begin < sizeof(links) ? (struct xsk_bpf_link *)at : NULL;
}

API int bpf_link__destroy(struct bpf_link *link)
{
	__typeof__(&bpf_link__destroy) next = BPF_NEXT(bpf_link__destroy);
	struct xsk_bpf_link *l = xsk_bpf_link_of(link);

	if (l)
		return xsk_bpf_attach(xsk_name_by_index(l->index), -1);
	return next ? next(link) : 0;
}

API int bpf_link__fd(const struct bpf_link *link)
{
	__typeof__(&bpf_link__fd) next = BPF_NEXT(bpf_link__fd);

	if (xsk_bpf_link_of(link) || !next)
		return xsk_bpf_result(-EOPNOTSUPP);
	return next(link);
}

/* A map of an object that was not loaded, because its program is attached to a name. */
static int xsk_bpf_standin(const struct bpf_map *map)
{
	__typeof__(&bpf_map__type) type = BPF_NEXT(bpf_map__type);
	unsigned int i;
	int fd;

	pthread_mutex_lock(&lock);
	for (i = 0; i < n_maps && maps[i].map != map; i++)
		;
	if (i < n_maps) {
		fd = maps[i].fd;
	} else if (n_maps == MAPS_MAX) {
		fd = -EMFILE;
	} else {
		fd = xsk_map_make(type && type(map) == BPF_MAP_TYPE_XSKMAP ? XSK_MAP_SOCKETS
									   : XSK_MAP_OTHER);
		maps[n_maps].map = map;
		maps[n_maps].fd = fd;
		n_maps += fd >= 0;
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static bool xsk_bpf_any_attached(void)
{
	for (unsigned int i = 0; xsk_name_by_index(XSK_NAME_INDEX + i); i++)
		if (xsk_xdp_attached(XSK_NAME_INDEX + i))
			return true;
	return false;
}

API int bpf_map__fd(const struct bpf_map *map)
{
	__typeof__(&bpf_map__fd) next = BPF_NEXT(bpf_map__fd);
	int fd = next ? next(map) : -EINVAL;

	return fd < 0 && map && xsk_bpf_any_attached() ? xsk_bpf_result(xsk_bpf_standin(map)) : fd;
}

API int bpf_object__find_map_fd_by_name(const struct bpf_object *obj, const char *map_name)
{
	__typeof__(&bpf_object__find_map_fd_by_name) next =
		BPF_NEXT(bpf_object__find_map_fd_by_name);
	__typeof__(&bpf_object__find_map_by_name) find = BPF_NEXT(bpf_object__find_map_by_name);
	struct bpf_map *map;

	if (!find || !obj || !xsk_bpf_any_attached())
		return next && obj ? next(obj, map_name) : xsk_bpf_result(-ENOENT);
	map = find(obj, map_name);
	return map ? bpf_map__fd(map) : xsk_bpf_result(-ENOENT);
}

API int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	__typeof__(&bpf_map_update_elem) next = BPF_NEXT(bpf_map_update_elem);
	int err = xsk_map_update(fd, key, value);

	if (err <= 0)
		return xsk_bpf_result(err);
	return next ? next(fd, key, value, flags) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_map_delete_elem(int fd, const void *key)
{
	__typeof__(&bpf_map_delete_elem) next = BPF_NEXT(bpf_map_delete_elem);
	int err = xsk_map_delete(fd, key);

	if (err <= 0)
		return xsk_bpf_result(err);
	return next ? next(fd, key) : xsk_bpf_result(-EOPNOTSUPP);
}

/* A stand-in stores nothing that a program could look up. */
API int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	__typeof__(&bpf_map_lookup_elem) next = BPF_NEXT(bpf_map_lookup_elem);

	if (!next || xsk_map_kind_of(fd) != XSK_MAP_NONE)
		return xsk_bpf_result(-ENOENT);
	return next(fd, key, value);
}

API int bpf_map__update_elem(const struct bpf_map *map, const void *key, size_t key_size,
			     const void *value, size_t value_size, __u64 flags)
{
	__typeof__(&bpf_map__update_elem) next = BPF_NEXT(bpf_map__update_elem);
	int err =
		key_size == 4 && value_size == 4 ? xsk_map_update(bpf_map__fd(map), key, value) : 1;

	if (err <= 0)
		return xsk_bpf_result(err);
	return next ? next(map, key, key_size, value, value_size, flags)
		    : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_map__delete_elem(const struct bpf_map *map, const void *key, size_t key_size,
			     __u64 flags)
{
	__typeof__(&bpf_map__delete_elem) next = BPF_NEXT(bpf_map__delete_elem);
	int err = key_size == 4 ? xsk_map_delete(bpf_map__fd(map), key) : 1;

	if (err <= 0)
		return xsk_bpf_result(err);
	return next ? next(map, key, key_size, flags) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_map_get_fd_by_id(__u32 id)
{
	__typeof__(&bpf_map_get_fd_by_id) next = BPF_NEXT(bpf_map_get_fd_by_id);

	if (id == XSK_MAP_ID && xsk_names_exist())
		return xsk_bpf_result(xsk_map_make(XSK_MAP_SOCKETS));
	return next ? next(id) : xsk_bpf_result(-EOPNOTSUPP);
}

API int bpf_prog_get_fd_by_id(__u32 id)
{
	__typeof__(&bpf_prog_get_fd_by_id) next = BPF_NEXT(bpf_prog_get_fd_by_id);

	if (id == XSK_PROGRAM_ID && xsk_names_exist())
		return xsk_bpf_result(xsk_map_make(XSK_MAP_PROGRAM));
	return next ? next(id) : xsk_bpf_result(-EOPNOTSUPP);
}

static void xsk_bpf_program_info(struct bpf_prog_info *info)
{
	__u32 *ids = (__u32 *)(uintptr_t)info->map_ids;

	if (ids && info->nr_map_ids)
		*ids = XSK_MAP_ID;
	info->type = BPF_PROG_TYPE_XDP;
	info->id = XSK_PROGRAM_ID;
	info->nr_map_ids = 1;
	strcpy(info->name, "xsk_def_prog");
}

static void xsk_bpf_map_info(struct bpf_map_info *info)
{
	info->type = BPF_MAP_TYPE_XSKMAP;
	info->id = XSK_MAP_ID;
	info->key_size = info->value_size = 4;
	info->max_entries = 64;
	strcpy(info->name, "xsks_map");
}

API int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	__typeof__(&bpf_obj_get_info_by_fd) next = BPF_NEXT(bpf_obj_get_info_by_fd);
	enum xsk_map_kind kind = xsk_map_kind_of(fd);
	struct bpf_prog_info prog = {0};
	struct bpf_map_info map = {0};

	if (kind == XSK_MAP_NONE)
		return next ? next(fd, info, len) : xsk_bpf_result(-EOPNOTSUPP);
	if (!info || !len)
		return xsk_bpf_result(-EFAULT);
	if (kind == XSK_MAP_PROGRAM) {
		memcpy(&prog, info, *len < sizeof(prog) ? *len : sizeof(prog));
		xsk_bpf_program_info(&prog);
		memcpy(info, &prog, *len < sizeof(prog) ? *len : sizeof(prog));
	} else {
		xsk_bpf_map_info(&map);
		memcpy(info, &map, *len < sizeof(map) ? *len : sizeof(map));
	}
	return 0;
}
