/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VFIO containers of type 1, version 2 (the kernel's Documentation/driver-api/vfio.rst and
 * <linux/vfio.h>). Each group has one container; the group's file is opened once.
 */
#include "vfio/calls.h"
#include "vfio/space.h"
#include "vfio/uapi.h"
#include "vfio/why.h"
#include "base/alloc.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define INFO_MAX 65536u

static int type1_ioctl(int fd, unsigned long request, const void *arg)
{
	return vfio_calls->ioctl(fd, request, (void *)(uintptr_t)arg);
}

/* Checks that the kernel's VFIO has what the library needs. */
static int type1_check_container(int fd)
{
	int version = type1_ioctl(fd, VFIO_GET_API_VERSION, NULL);

	if (version != VFIO_API_VERSION)
		return error_set(
			ENOTSUP,
			"the kernel's VFIO interface has version %d, but the library needs %d",
			version, VFIO_API_VERSION);
	if (type1_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU) != 1)
		return why_no_iommu();
	return 0;
}

static int type1_open_group(struct vfio_space *s, const struct pci_function *f)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[64];
	int err;

	snprintf(path, sizeof(path), "%s/vfio/%s", vfio_calls->dev, f->group);
	s->group_fd = vfio_calls->open(path);
	if (s->group_fd < 0) {
		err = s->group_fd;
		s->group_fd = -1;
		return why_group(f, path, -err);
	}
	err = type1_ioctl(s->group_fd, VFIO_GROUP_GET_STATUS, &status);
	if (err < 0)
		return error_set(-err, "the status of IOMMU group %s cannot be read: %s", f->group,
				 strerror(-err));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return why_not_viable(f);
	err = type1_ioctl(s->group_fd, VFIO_GROUP_SET_CONTAINER, &s->fd);
	if (err < 0)
		return error_set(-err, "IOMMU group %s cannot be added to a container: %s",
				 f->group, strerror(-err));
	return 0;
}

static int type1_open(struct vfio_space *s, const struct pci_function *f)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "%s/vfio/vfio", vfio_calls->dev);
	s->fd = vfio_calls->open(path);
	if (s->fd < 0) {
		err = s->fd;
		s->fd = -1;
		return why_container(path, -err);
	}
	err = type1_check_container(s->fd);
	if (!err)
		err = type1_open_group(s, f);
	if (err)
		return err;
	err = type1_ioctl(s->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
	if (err < 0)
		return err == -EPERM ? why_no_remapping(f)
				     : error_set(-err,
						 "the IOMMU type of the container of group %s "
						 "cannot be set: %s",
						 f->group, strerror(-err));
	return 0;
}

static int type1_open_device(struct vfio_space *s, const struct pci_function *f)
{
	int fd = type1_ioctl(s->group_fd, VFIO_GROUP_GET_DEVICE_FD, f->address.text);

	return fd >= 0 ? fd : why_device(f, -fd);
}

/*
 * Returns the structure with its chain of capabilities in allocated memory. NULL with an error
 * message.
 */
static struct vfio_iommu_type1_info *type1_get_info(struct vfio_space *s)
{
	struct vfio_iommu_type1_info *info;
	u32 size = 1024, want;
	int err;

	for (;;) {
		info = alloc_zeroed(size);
		if (!info)
			return NULL;
		info->argsz = size;
		err = type1_ioctl(s->fd, VFIO_IOMMU_GET_INFO, info);
		want = info->argsz;
		if (err < 0 || want > INFO_MAX) {
			alloc_free(info);
			return error_null(err < 0 ? -err : E2BIG,
					  "the limits of the container cannot be read: %s",
					  err < 0 ? strerror(-err) : "too many");
		}
		if (want <= size) {
			info->argsz = size;
			return info;
		}
		alloc_free(info);
		size = want;
	}
}

/*
 * Returns the capability, which is completely inside the structure; NULL: there is none. Offsets
 * must ascend, so the loop ends.
 */
static const void *type1_find_cap(const struct vfio_iommu_type1_info *info, u16 id, size_t size)
{
	u32 at = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) - 8 &&
	       range_within(at, sizeof(struct vfio_info_cap_header), info->argsz)) {
		const struct vfio_info_cap_header *h = (const void *)((const u8 *)info + at);

		if (h->id == id)
			return range_within(at, size, info->argsz) ? h : NULL;
		if (h->next <= at)
			break;
		at = h->next;
	}
	return NULL;
}

static int type1_read_windows(struct vfio_space *s, const struct vfio_iommu_type1_info *info)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap =
		type1_find_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(*cap));
	int err = 0;

	if (!cap || !range_within((u64)((const u8 *)cap - (const u8 *)info) + sizeof(*cap),
				  (u64)cap->nr_iovas * sizeof(cap->iova_ranges[0]), info->argsz))
		/*
		 * kernels before 5.4 do not report ranges: assume the 39 bits of address that every
		 * IOMMU has
		 */
		return space_add_window(s, 0, (1ull << 39) - 1);
	for (u32 i = 0; i < cap->nr_iovas && !err; i++)
		err = space_add_window(s, cap->iova_ranges[i].start, cap->iova_ranges[i].end);
	return err;
}

static u64 type1_entries_left(const struct vfio_iommu_type1_info *info)
{
	const struct vfio_iommu_type1_info_dma_avail *cap =
		type1_find_cap(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, sizeof(*cap));

	return cap ? cap->avail : ~0ull;
}

static int type1_limits(struct vfio_space *s)
{
	struct vfio_iommu_type1_info *info = type1_get_info(s);
	int err = 0;

	if (!info)
		return -errno;
	if (info->flags & VFIO_IOMMU_INFO_PGSIZES && !(info->iova_pgsizes & PAGE_BYTES))
		err = error_set(ENOTSUP,
				"the IOMMU has no pages of 4 KiB (its mask of page sizes is %#llx)",
				(unsigned long long)info->iova_pgsizes);
	if (!err)
		err = type1_read_windows(s, info);
	s->left = type1_entries_left(info);
	s->counted = s->left != ~0ull;
	alloc_free(info);
	return err;
}

static u64 type1_entries(struct vfio_space *s)
{
	struct vfio_iommu_type1_info *info = type1_get_info(s);
	u64 left = info ? type1_entries_left(info) : 0;

	alloc_free(info);
	return left;
}

static int type1_map(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (prot & PT_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (prot & PT_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = size,
	};

	return type1_ioctl(s->fd, VFIO_IOMMU_MAP_DMA, &map);
}

static int type1_unmap(struct vfio_space *s, u64 iova, u64 size, u64 *done)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size};
	int err = type1_ioctl(s->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);

	*done = err < 0 ? 0 : unmap.size;
	return err;
}

/*
 * Kernels before 5.12 have no call that unmaps everything; they unmap it when the container is
 * closed.
 */
static void type1_clear(struct vfio_space *s)
{
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap),
						   .flags = VFIO_DMA_UNMAP_FLAG_ALL};

	type1_ioctl(s->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

static void type1_close(struct vfio_space *s)
{
	if (s->group_fd >= 0)
		vfio_calls->close(s->group_fd);
	if (s->fd >= 0)
		vfio_calls->close(s->fd);
}

const struct vfio_kernel vfio_type1 = {
	.name = "vfio",
	.open = type1_open,
	.open_device = type1_open_device,
	.limits = type1_limits,
	.map = type1_map,
	.unmap = type1_unmap,
	.clear = type1_clear,
	.entries = type1_entries,
	.close = type1_close,
};
