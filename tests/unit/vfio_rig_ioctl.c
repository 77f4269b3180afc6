/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctl() requests of the simulated kernel: those of containers, groups, iommufd and the
 * device. The requests of both interfaces change one address space, which is stored here.
 */
#include "vfio_rig_private.h"

static int map_find(u64 iova)
{
	for (u64 i = 0; i < rig.n_maps; i++)
		if (iova - rig.map[i].iova < rig.map[i].size)
			return (int)i;
	return -1;
}

u8 *rig_device_reach(u64 iova, bool write)
{
	u8 *p = NULL;
	int i;

	pthread_mutex_lock(&rig_lock);
	i = map_find(iova);
	if (i >= 0 && (write ? rig.map[i].write : rig.map[i].read))
		p = rig.map[i].va + (iova - rig.map[i].iova);
	pthread_mutex_unlock(&rig_lock);
	return p;
}

static bool map_in_window(u64 first, u64 last)
{
	for (unsigned int i = 0; i < rig.windows; i++)
		if (first >= rig.window[i].first && last <= rig.window[i].last)
			return true;
	return false;
}

/* Overlaps are not searched for among 2,000 mappings or more, which would make the tests slow. */
static int map_add(u64 iova, u64 size, u64 va, bool read, bool write)
{
	write_once(&rig.map_calls, rig.map_calls + 1);
	if (!size || (iova | size | va) & 4095 || iova + size - 1 < iova || !(read || write) ||
	    !map_in_window(iova, iova + size - 1))
		return -EINVAL;
	if (rig.n_maps < 2000)
		for (u64 i = 0; i < rig.n_maps; i++)
			if (iova < rig.map[i].iova + rig.map[i].size &&
			    rig.map[i].iova < iova + size)
				return -EEXIST;
	if (rig.n_maps >= rig.limit)
		return -ENOSPC;
	rig.map[rig.n_maps++] = (struct rig_map){iova, size, (u8 *)(uintptr_t)va, read, write};
	return 0;
}

/* Fails if the range covers a part of a mapping, as the kernel does. */
static int map_remove(u64 iova, u64 size, bool all, u64 *done)
{
	u64 last = iova + size - 1;

	write_once(&rig.unmap_calls, rig.unmap_calls + 1);
	*done = 0;
	for (u64 i = 0; i < rig.n_maps && !all; i++) {
		const struct rig_map *m = &rig.map[i];
		u64 m_last = m->iova + m->size - 1;

		if ((m->iova < iova && m_last >= iova) || (m->iova <= last && m_last > last))
			return -EINVAL;
	}
	for (u64 i = 0; i < rig.n_maps;) {
		const struct rig_map *m = &rig.map[i];

		if (!all && (m->iova < iova || m->iova > last)) {
			i++;
			continue;
		}
		*done += m->size;
		rig.map[i] = rig.map[--rig.n_maps];
	}
	if (rig.short_unmap)
		*done /= 2;
	return 0;
}

static void cap_put(u8 *at, u16 id, u32 next)
{
	const struct vfio_info_cap_header h = {.id = id, .version = 1, .next = next};

	memcpy(at, &h, sizeof(h));
}

static int type1_info(struct vfio_iommu_type1_info *info)
{
	u32 ranges = 16 + 16 * rig.windows, want = sizeof(*info) + ranges + 16;
	struct vfio_iommu_type1_info_dma_avail *avail;
	u8 *cap = (u8 *)info + sizeof(*info);
	u32 capacity = info->argsz;

	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 0x40201000;
	if (rig.no_caps)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	info->argsz = want;
	info->cap_offset = 0;
	if (capacity < want)
		return 0;
	info->cap_offset = sizeof(*info);
	cap_put(cap, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, (u32)sizeof(*info) + ranges);
	memcpy(cap + 8, &rig.windows, 4);
	for (unsigned int i = 0; i < rig.windows; i++)
		memcpy(cap + 16 + 16 * i, &rig.window[i], 16);
	avail = (void *)(cap + ranges);
	cap_put(cap + ranges, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 0);
	avail->avail = (u32)(rig.limit - rig.n_maps);
	return 0;
}

static int container_ioctl(unsigned long request, void *arg)
{
	struct vfio_iommu_type1_dma_map *map = arg;
	struct vfio_iommu_type1_dma_unmap *unmap = arg;
	u64 done;
	int err;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return !rig.no_type1 && (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		assert_true(rig_state.has_container);
		rig_state.has_iommu = true;
		rig_state.by_iommufd = false;
		return 0;
	}
	assert_true(rig_state.has_iommu);
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return type1_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		assert_int_equal(map->argsz, sizeof(*map));
		return map_add(map->iova, map->size, map->vaddr,
			       map->flags & VFIO_DMA_MAP_FLAG_READ,
			       map->flags & VFIO_DMA_MAP_FLAG_WRITE);
	case VFIO_IOMMU_UNMAP_DMA:
		err = map_remove(unmap->iova, unmap->size, unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL,
				 &done);
		unmap->size = done;
		return err;
	}
	return -ENOTTY;
}

static int iommufd_ioctl(unsigned long request, void *arg)
{
	struct uapi_ioas_ranges *ranges = arg;
	struct uapi_ioas_unmap *unmap = arg;
	struct uapi_ioas_alloc *alloc = arg;
	struct uapi_ioas_map *map = arg;
	u64 done;
	int err;

	switch (request) {
	case UAPI_IOAS_ALLOC:
		alloc->out_ioas = 5;
		rig_state.by_iommufd = !rig_state.has_iommu;
		return 0;
	case UAPI_IOAS_RANGES:
		assert_int_equal(ranges->ioas, 5);
		assert_true(rig_state.attached);
		memcpy((void *)(uintptr_t)ranges->ranges, rig.window, 16 * rig.windows);
		ranges->n_ranges = rig.windows;
		ranges->out_alignment = 4096;
		return 0;
	case UAPI_IOAS_MAP:
		assert_int_equal(map->ioas, 5);
		assert_true(map->flags & UAPI_MAP_FIXED);
		return map_add(map->iova, map->length, map->user_va, map->flags & UAPI_MAP_READ,
			       map->flags & UAPI_MAP_WRITE);
	case UAPI_IOAS_UNMAP:
		assert_int_equal(unmap->ioas, 5);
		err = map_remove(unmap->iova, unmap->length, unmap->length == ~0ull, &done);
		unmap->length = done;
		return err;
	}
	return -ENOTTY;
}

static int group_ioctl(unsigned long request, void *arg)
{
	struct vfio_group_status *status = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = rig.not_viable ? 0 : VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		assert_int_equal(*rig_fd_kind(*(int *)arg), FD_CONTAINER);
		rig_state.has_container = true;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		assert_true(rig_state.has_iommu);
		assert_string_equal(arg, "0000:00:03.0");
		/* a second open succeeds too: Linux does not limit the opens within one group */
		rig_state.device_open = true;
		return rig_fd_new(FD_DEVICE);
	}
	return -ENOTTY;
}

static int region_info(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	u32 capacity = info->argsz;

	info->offset = (u64)info->index << 40;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = info->index == 0	? RIG_BAR0
		     : info->index == 2 ? RIG_BAR2
		     : info->index == 7 ? 256
					: 0;
	info->cap_offset = 0;
	if (info->index)
		return 0;
	/*
	 * VFIO describes a BAR with an MSI-X table as areas that can be mapped, in a capability
	 * behind a structure that is longer than its fixed part.
	 */
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	info->argsz = 1024;
	if (capacity < 1024)
		return 0;
	info->cap_offset = 512;
	sparse = (void *)((u8 *)info + 512);
	cap_put((u8 *)sparse, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	sparse->nr_areas = 2;
	sparse->areas[0].offset = 0;
	sparse->areas[0].size = 4096;
	sparse->areas[1].offset = 8192;
	sparse->areas[1].size = 8192;
	return 0;
}

static int irq_info(struct vfio_irq_info *info)
{
	const unsigned int count[] = {rig.intx, rig.msi, rig.msix, 1, 1};

	if (info->index > 4)
		return -EINVAL;
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = count[info->index];
	return 0;
}

static int set_irqs(struct vfio_irq_set *set)
{
	int *fd = (int *)(void *)set->data;

	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		assert_int_equal(set->index, 0);
		rig.unmasks++;
		return 0;
	}
	assert_true(set->flags & VFIO_IRQ_SET_ACTION_TRIGGER);
	if (set->index == 4) {
		rig.req_fd = *fd;
		return 0;
	}
	if (set->index > 2)
		return 0;
	if (set->index == 2 && set->count > rig.msix_left)
		return (int)rig.msix_left;
	rig.vectors_on = (int)set->count;
	for (u32 i = 0; i < set->count && i < 64; i++)
		rig.vector_fd[i] = fd[i];
	if (set->index == 0)
		rig.intx_fd = set->count ? fd[0] : -1;
	return 0;
}

static int device_ioctl(int fd, enum rig_kind k, unsigned long request, void *arg)
{
	struct uapi_bind_iommufd *bind = arg;
	struct vfio_device_info *info = arg;

	if (request == UAPI_BIND_IOMMUFD && k == FD_CDEV) {
		assert_int_equal(*rig_fd_kind(bind->iommufd), FD_IOMMUFD);
		if (rig_state.device_open)
			return -EBUSY;
		rig_state.bound = rig_state.device_open = true;
		rig_state.bound_fd = fd;
		return 0;
	}
	if (request == UAPI_ATTACH_IOAS && k == FD_CDEV) {
		assert_int_equal(((struct uapi_attach_ioas *)arg)->ioas, 5);
		rig_state.attached = true;
		return 0;
	}
	assert_true(k == FD_DEVICE || (rig_state.bound && rig_state.attached));
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | (rig.no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
		info->num_regions = 9;
		info->num_irqs = 5;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	case VFIO_DEVICE_RESET:
		assert_false(rig.no_reset);
		rig.resets++;
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		((struct vfio_pci_hot_reset_info *)arg)->count = 1;
		return 0;
	case VFIO_DEVICE_PCI_HOT_RESET:
		rig.hot_resets++;
		return 0;
	}
	return -ENOTTY;
}

int rig_ioctl_locked(int fd, unsigned long request, void *arg)
{
	enum rig_kind k = *rig_fd_kind(fd);

	if (!rig.fail_only || rig.fail_only == request) {
		rig.ioctls++;
		if (rig.fail_at && !--rig.fail_at)
			return -rig.fail_err;
	}
	switch (k) {
	case FD_CONTAINER:
		return container_ioctl(request, arg);
	case FD_GROUP:
		return group_ioctl(request, arg);
	case FD_IOMMUFD:
		return iommufd_ioctl(request, arg);
	case FD_NOTHING:
		return -ENOTTY;
	default:
		return device_ioctl(fd, k, request, arg);
	}
}
