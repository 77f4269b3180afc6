/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's description of the device: regions, their areas that can be mapped, and their files.
 * Each structure is copied before it is checked. Offsets in the chain of capabilities must ascend,
 * so the walk ends. An area must be inside its region and its file.
 */
#include "vfuclient/private.h"
#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INFO_MAX    65536u /* payload of the description of a region */
#define CONFIG_SIZE 4096u

static int describe_refused(struct vfuclient *c, int err, const char *what)
{
	return err > 0 ? error_set(err, "%s: the server does not describe %s: %s", c->path, what,
				   strerror(err))
		       : err;
}

static int describe_device(struct vfuclient *c, struct vfuser_device_info *info)
{
	const struct vfuser_device_info ask = {.argsz = sizeof(ask)};
	struct vfuclient_call call = {.command = VFUSER_DEVICE_INFO,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .reply = info,
				      .reply_min = sizeof(*info),
				      .reply_max = sizeof(*info)};
	int err = vfuclient_call(c, &call);

	if (err)
		return describe_refused(c, err, "the device");
	if (!(info->flags & VFUSER_DEVICE_PCI) || info->regions <= VFUSER_REGION_CONFIG)
		return error_set(ENODEV,
				 "%s: the server's device is no PCI function (flags %#x, %u "
				 "regions)",
				 c->path, info->flags, info->regions);
	return 0;
}

static int describe_add_area(struct vfuclient_region *r, u64 offset, u64 size, unsigned int i)
{
	if (!size || !range_within(offset, size, r->size))
		return error_set(EPROTO,
				 "vfio-user: an area of region %u that can be mapped, %#llx bytes "
				 "at %#llx, is not inside the region of %#llx bytes",
				 i, (unsigned long long)size, (unsigned long long)offset,
				 (unsigned long long)r->size);
	backend_area_add(r->area, &r->n_areas, offset, size);
	return 0;
}

static int describe_chain_wrong(unsigned int i, u32 at)
{
	return error_set(
		EPROTO,
		"vfio-user: the capabilities of region %u are wrong at byte %u: they leave "
		"the message, or their offsets do not ascend",
		i, at);
}

/* Adds the areas of a sparse capability. */
static int describe_sparse(struct vfuclient_region *r, const u8 *info, u32 size, u32 at,
			   unsigned int i)
{
	struct vfuser_cap_sparse sparse;
	struct vfuser_sparse_area area;
	int err = 0;

	if (!range_within(at, sizeof(sparse), size))
		return describe_chain_wrong(i, at);
	memcpy(&sparse, info + at, sizeof(sparse));
	at += sizeof(sparse);
	if (!range_within(at, sparse.count * (u64)sizeof(area), size))
		return describe_chain_wrong(i, at);
	for (u32 k = 0; k < sparse.count && !err; k++) {
		memcpy(&area, info + at + k * sizeof(area), sizeof(area));
		err = describe_add_area(r, area.offset, area.size, i);
	}
	return err;
}

/* Adds the whole region, which can be mapped if there is no list of areas. */
static int describe_whole(struct vfuclient_region *r, unsigned int i)
{
	u64 size = align_down(r->size, PAGE_BYTES);

	return size ? describe_add_area(r, 0, size, i) : 0;
}

int vfuclient_read_areas(struct vfuclient_region *r, const void *info, u32 size, unsigned int i)
{
	const struct vfuser_region_info *head = info;
	u32 at = head->flags & VFUSER_REGION_CAPS ? head->cap_offset : 0, last = sizeof(*head) - 1;
	struct vfuser_cap_head cap = {0};

	for (; at; last = at, at = cap.next) {
		if (at <= last || !range_within(at, sizeof(cap), size))
			return describe_chain_wrong(i, at);
		memcpy(&cap, (const u8 *)info + at, sizeof(cap));
		if (cap.id == VFUSER_CAP_SPARSE)
			return describe_sparse(r, info, size, at, i);
	}
	return describe_whole(r, i);
}

/* Checks that the descriptor is of a file that has the region's areas. */
static int describe_check_file(const struct vfuclient_region *r, int fd, u64 at, unsigned int i)
{
	struct stat st;

	if (fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)))
		return error_set(EPROTO,
				 "vfio-user: the descriptor of region %u is of something that "
				 "cannot be mapped",
				 i);
	for (unsigned int k = 0; S_ISREG(st.st_mode) && k < r->n_areas; k++)
		if (!range_within(at, r->area[k].offset, (u64)st.st_size) ||
		    !range_within(at + r->area[k].offset, r->area[k].size, (u64)st.st_size))
			return error_set(EPROTO,
					 "vfio-user: the file of region %u has %llu bytes, and an "
					 "area ends after that",
					 i, (unsigned long long)st.st_size);
	return 0;
}

/* Examines the reply; *fd is closed, or is -1. */
static int describe_read_region(struct vfuclient *c, const struct vfuser_region_info *info,
				u32 size, unsigned int i, int fd)
{
	struct vfuclient_region *r = &c->region[i];
	int err;

	if (info->index != i || info->size > 1ull << 62)
		return error_set(EPROTO,
				 "%s: the server describes region %u of %#llx bytes instead of "
				 "region %u",
				 c->path, info->index, (unsigned long long)info->size, i);
	r->size = i == CONFIG_BAR ? min_u64(info->size, CONFIG_SIZE) : info->size;
	r->readable = info->flags & VFUSER_REGION_READABLE;
	r->writable = info->flags & VFUSER_REGION_WRITABLE;
	if (!(info->flags & VFUSER_REGION_MMAP))
		return fd < 0 ? 0
			      : error_set(EPROTO, "%s: region %u has a file but cannot be mapped",
					  c->path, i);
	err = vfuclient_read_areas(r, info, size, i);
	if (err || fd < 0 || i == CONFIG_BAR || c->messages || !r->readable || !r->writable) {
		r->n_areas = 0;
		return err;
	}
	err = describe_check_file(r, fd, info->offset, i);
	if (!err)
		vfuclient_map_region(c, r, fd, info->offset);
	return err;
}

static int describe_region(struct vfuclient *c, unsigned int i, void *room)
{
	const struct vfuser_region_info ask = {.argsz = INFO_MAX, .index = i};
	char what[32];
	int fd, err;
	struct vfuclient_call call = {.command = VFUSER_REGION_INFO,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .reply = room,
				      .reply_min = sizeof(ask),
				      .reply_max = INFO_MAX,
				      .reply_fd = &fd};

	err = vfuclient_call(c, &call);
	if (err) {
		snprintf(what, sizeof(what), "its region %u", i);
		return describe_refused(c, err, what);
	}
	err = describe_read_region(c, room, call.reply_size, i, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

int vfuclient_describe(struct vfuclient *c)
{
	struct vfuser_device_info info;
	void *room;
	int err = describe_device(c, &info);

	if (err)
		return err;
	c->can_reset = info.flags & VFUSER_DEVICE_RESET;
	room = alloc_zeroed(INFO_MAX);
	if (!room)
		return -ENOMEM;
	for (unsigned int i = 0; i < REGIONS && !err; i++)
		if (i != VFUSER_REGION_ROM)
			err = describe_region(c, i, room);
	alloc_free(room);
	if (!err && (!c->region[CONFIG_BAR].readable || c->region[CONFIG_BAR].size < 64))
		err = error_set(ENODEV,
				"%s: the device has no configuration space that can be read",
				c->path);
	return err;
}
