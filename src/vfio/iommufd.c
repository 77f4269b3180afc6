/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iommufd (the kernel's Documentation/userspace-api/iommufd.rst). The function's character device
 * is bound to /dev/iommu and attached to an I/O address space. The kernel does not limit the number
 * of mappings there.
 */
#include "vfio/calls.h"
#include "vfio/space.h"
#include "vfio/uapi.h"
#include "vfio/why.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static int iommufd_open(struct vfio_space *s, const struct pci_function *f)
{
	struct uapi_ioas_alloc alloc = {.size = sizeof(alloc)};
	char path[64];
	int err;

	snprintf(path, sizeof(path), "%s/iommu", vfio_calls->dev);
	s->fd = vfio_calls->open(path);
	if (s->fd < 0) {
		err = s->fd;
		s->fd = -1;
		return why_iommufd(path, -err);
	}
	err = vfio_calls->ioctl(s->fd, UAPI_IOAS_ALLOC, &alloc);
	if (err < 0)
		return error_set(-err, "%s cannot create an address space: %s", path,
				 strerror(-err));
	s->ioas = alloc.out_ioas;
	return 0;
}

static int iommufd_attach(struct vfio_space *s, const struct pci_function *f, int fd)
{
	struct uapi_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = s->fd};
	struct uapi_attach_ioas attach = {.argsz = sizeof(attach), .ioas = s->ioas};
	int err = vfio_calls->ioctl(fd, UAPI_BIND_IOMMUFD, &bind);

	if (err < 0)
		return why_bind(f, -err);
	err = vfio_calls->ioctl(fd, UAPI_ATTACH_IOAS, &attach);
	return err < 0 ? why_attach(f, -err) : 0;
}

static int iommufd_open_device(struct vfio_space *s, const struct pci_function *f)
{
	char path[96];
	int fd, err;

	if (!f->cdev[0])
		return why_no_cdev(f);
	snprintf(path, sizeof(path), "%s/vfio/devices/%s", vfio_calls->dev, f->cdev);
	fd = vfio_calls->open(path);
	if (fd < 0)
		return why_cdev(f, path, -fd);
	err = iommufd_attach(s, f, fd);
	if (!err)
		return fd;
	vfio_calls->close(fd);
	return err;
}

static int iommufd_limits(struct vfio_space *s)
{
	struct uapi_range range[WINDOWS_MAX];
	struct uapi_ioas_ranges ranges = {.size = sizeof(ranges),
					  .ioas = s->ioas,
					  .n_ranges = WINDOWS_MAX,
					  .ranges = (uintptr_t)range};
	int err = vfio_calls->ioctl(s->fd, UAPI_IOAS_RANGES, &ranges);

	if (err < 0)
		return error_set(-err, "the limits of the address space cannot be read: %s",
				 strerror(-err));
	if (ranges.out_alignment > PAGE_BYTES)
		return error_set(
			ENOTSUP,
			"the IOMMU has no pages of 4 KiB: its smallest page has %llu bytes",
			(unsigned long long)ranges.out_alignment);
	for (u32 i = 0; i < ranges.n_ranges && i < WINDOWS_MAX && !err; i++)
		err = space_add_window(s, range[i].first, range[i].last);
	s->left = ~0ull;
	return err;
}

static u64 iommufd_entries(struct vfio_space *s)
{
	return ~0ull;
}

static int iommufd_map(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot)
{
	struct uapi_ioas_map map = {
		.size = sizeof(map),
		.flags = UAPI_MAP_FIXED | (prot & PT_READ ? UAPI_MAP_READ : 0) |
			 (prot & PT_WRITE ? UAPI_MAP_WRITE : 0),
		.ioas = s->ioas,
		.user_va = (uintptr_t)va,
		.length = size,
		.iova = iova,
	};

	return vfio_calls->ioctl(s->fd, UAPI_IOAS_MAP, &map);
}

static int iommufd_unmap(struct vfio_space *s, u64 iova, u64 size, u64 *done)
{
	struct uapi_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas = s->ioas, .iova = iova, .length = size};
	int err = vfio_calls->ioctl(s->fd, UAPI_IOAS_UNMAP, &unmap);

	*done = err < 0 ? 0 : unmap.length;
	return err;
}

static void iommufd_clear(struct vfio_space *s)
{
	u64 done;

	iommufd_unmap(s, 0, ~0ull, &done);
}

static void iommufd_close(struct vfio_space *s)
{
	if (s->fd >= 0)
		vfio_calls->close(s->fd);
}

const struct vfio_kernel vfio_iommufd = {
	.name = "iommufd",
	.open = iommufd_open,
	.open_device = iommufd_open_device,
	.limits = iommufd_limits,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.clear = iommufd_clear,
	.entries = iommufd_entries,
	.close = iommufd_close,
};
