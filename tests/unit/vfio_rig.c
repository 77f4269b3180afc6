/* SPDX-License-Identifier: BSD-2-Clause */
#include "vfio_rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_FIRST      100000
#define FDS	      32
#define REGION(at)    ((unsigned int)((at) >> 40))
#define IN_REGION(at) ((at) & ((1ull << 40) - 1))

struct rig_kernel rig;

static pthread_mutex_t lock =
	PTHREAD_MUTEX_INITIALIZER; /* guards the state of the kernel and the counters */

static enum kind { FREE, CONTAINER, GROUP, DEVICE, IOMMUFD, CDEV, NOTHING } kind[FDS];
static bool has_container, has_iommu, by_iommufd, bound, attached, device_open;
static int bar0_fd = -1, bound_fd = -1;
static u8 *bar0;
static char root[64];
static const struct vfio_calls *was;

static int new_fd(enum kind k)
{
	for (int i = 0; i < FDS; i++)
		if (kind[i] == FREE) {
			kind[i] = k;
			rig.open++;
			return FD_FIRST + i;
		}
	fail_msg("too many open files");
	return -1;
}

static enum kind *kind_of(int fd)
{
	assert_in_range(fd, FD_FIRST, FD_FIRST + FDS - 1);
	assert_int_not_equal(kind[fd - FD_FIRST], FREE);
	return &kind[fd - FD_FIRST];
}

static int open_locked(const char *path)
{
	size_t n = rig.refused ? strlen(rig.refused) : 0;

	if (n && strlen(path) >= n && !strcmp(path + strlen(path) - n, rig.refused))
		return -rig.refuse_err;
	if (!strcmp(path, "/dev/vfio/vfio"))
		return new_fd(CONTAINER);
	if (!strcmp(path, "/dev/vfio/7")) {
		for (int i = 0; i < FDS; i++)
			if (kind[i] == GROUP || bound)
				return -EBUSY;
		return new_fd(GROUP);
	}
	if (!strcmp(path, "/dev/iommu"))
		return new_fd(IOMMUFD);
	if (!strcmp(path, "/dev/vfio/devices/vfio0"))
		return new_fd(CDEV);
	return -ENOENT;
}

static int fake_open(const char *path)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = open_locked(path);
	pthread_mutex_unlock(&lock);
	return fd;
}

static void gone(int fd, enum kind k)
{
	if (k == GROUP)
		has_container = false;
	if (k == CONTAINER)
		has_iommu = false;
	if (k == (by_iommufd ? IOMMUFD : CONTAINER))
		rig.n_maps = 0;
	if (k == DEVICE || (k == CDEV && fd == bound_fd)) {
		device_open = bound = attached = false;
		rig.vectors_on = 0;
		rig.req_fd = rig.intx_fd = -1;
	}
}

static void fake_close(int fd)
{
	enum kind *k;

	pthread_mutex_lock(&lock);
	k = kind_of(fd);
	gone(fd, *k);
	*k = FREE;
	rig.open--;
	pthread_mutex_unlock(&lock);
}

static void fake_retire(int fd)
{
	enum kind *k;

	pthread_mutex_lock(&lock);
	k = kind_of(fd);
	gone(fd, *k);
	*k = NOTHING;
	pthread_mutex_unlock(&lock);
}

static int find_map(u64 iova)
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

	pthread_mutex_lock(&lock);
	i = find_map(iova);
	if (i >= 0 && (write ? rig.map[i].write : rig.map[i].read))
		p = rig.map[i].va + (iova - rig.map[i].iova);
	pthread_mutex_unlock(&lock);
	return p;
}

static bool in_window(u64 first, u64 last)
{
	for (unsigned int i = 0; i < rig.windows; i++)
		if (first >= rig.window[i].first && last <= rig.window[i].last)
			return true;
	return false;
}

/* The overlap is looked for at a few points only where there are many mappings: it is the tests'
 * time. */
static int do_map(u64 iova, u64 size, u64 va, bool read, bool write)
{
	write_once(&rig.map_calls, rig.map_calls + 1);
	if (!size || (iova | size | va) & 4095 || iova + size - 1 < iova || !(read || write) ||
	    !in_window(iova, iova + size - 1))
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

/* Whole mappings only. */
static int do_unmap(u64 iova, u64 size, bool all, u64 *done)
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

static void put_cap(u8 *at, u16 id, u32 next)
{
	const struct vfio_info_cap_header h = {.id = id, .version = 1, .next = next};

	memcpy(at, &h, sizeof(h));
}

static int type1_info(struct vfio_iommu_type1_info *info)
{
	u32 ranges = 16 + 16 * rig.windows, want = sizeof(*info) + ranges + 16;
	struct vfio_iommu_type1_info_dma_avail *avail;
	u8 *cap = (u8 *)info + sizeof(*info);
	u32 room = info->argsz;

	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 0x40201000;
	if (rig.no_caps)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	info->argsz = want;
	info->cap_offset = 0;
	if (room < want)
		return 0;
	info->cap_offset = sizeof(*info);
	put_cap(cap, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, (u32)sizeof(*info) + ranges);
	memcpy(cap + 8, &rig.windows, 4);
	for (unsigned int i = 0; i < rig.windows; i++)
		memcpy(cap + 16 + 16 * i, &rig.window[i], 16);
	avail = (void *)(cap + ranges);
	put_cap(cap + ranges, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 0);
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
		assert_true(has_container);
		has_iommu = true;
		by_iommufd = false;
		return 0;
	}
	assert_true(has_iommu);
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return type1_info(arg);
	case VFIO_IOMMU_MAP_DMA:
		assert_int_equal(map->argsz, sizeof(*map));
		return do_map(map->iova, map->size, map->vaddr, map->flags & VFIO_DMA_MAP_FLAG_READ,
			      map->flags & VFIO_DMA_MAP_FLAG_WRITE);
	case VFIO_IOMMU_UNMAP_DMA:
		err = do_unmap(unmap->iova, unmap->size, unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL,
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
		by_iommufd = !has_iommu;
		return 0;
	case UAPI_IOAS_RANGES:
		assert_int_equal(ranges->ioas, 5);
		assert_true(attached);
		memcpy((void *)(uintptr_t)ranges->ranges, rig.window, 16 * rig.windows);
		ranges->n_ranges = rig.windows;
		ranges->out_alignment = 4096;
		return 0;
	case UAPI_IOAS_MAP:
		assert_int_equal(map->ioas, 5);
		assert_true(map->flags & UAPI_MAP_FIXED);
		return do_map(map->iova, map->length, map->user_va, map->flags & UAPI_MAP_READ,
			      map->flags & UAPI_MAP_WRITE);
	case UAPI_IOAS_UNMAP:
		assert_int_equal(unmap->ioas, 5);
		err = do_unmap(unmap->iova, unmap->length, unmap->length == ~0ull, &done);
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
		assert_int_equal(*kind_of(*(int *)arg), CONTAINER);
		has_container = true;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		assert_true(has_iommu);
		assert_string_equal(arg, "0000:00:03.0");
		device_open = true; /* a second time, too: Linux lets one group open its device as
				       often as it likes */
		return new_fd(DEVICE);
	}
	return -ENOTTY;
}

static int region_info(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	u32 room = info->argsz;

	info->offset = (u64)info->index << 40;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = info->index == 0	? RIG_BAR0
		     : info->index == 2 ? RIG_BAR2
		     : info->index == 7 ? 256
					: 0;
	info->cap_offset = 0;
	if (info->index)
		return 0;
	/* as VFIO shows a BAR with an MSI-X table: in pieces, in a structure longer than most
	 * expect */
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	info->argsz = 1024;
	if (room < 1024)
		return 0;
	info->cap_offset = 512;
	sparse = (void *)((u8 *)info + 512);
	put_cap((u8 *)sparse, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
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

static int device_ioctl(int fd, enum kind k, unsigned long request, void *arg)
{
	struct uapi_bind_iommufd *bind = arg;
	struct vfio_device_info *info = arg;

	if (request == UAPI_BIND_IOMMUFD && k == CDEV) {
		assert_int_equal(*kind_of(bind->iommufd), IOMMUFD);
		if (device_open)
			return -EBUSY;
		bound = device_open = true;
		bound_fd = fd;
		return 0;
	}
	if (request == UAPI_ATTACH_IOAS && k == CDEV) {
		assert_int_equal(((struct uapi_attach_ioas *)arg)->ioas, 5);
		attached = true;
		return 0;
	}
	assert_true(k == DEVICE || (bound && attached));
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

static int answer(int fd, unsigned long request, void *arg)
{
	enum kind k = *kind_of(fd);

	if (!rig.fail_only || rig.fail_only == request) {
		rig.ioctls++;
		if (rig.fail_at && !--rig.fail_at)
			return -rig.fail_err;
	}
	switch (k) {
	case CONTAINER:
		return container_ioctl(request, arg);
	case GROUP:
		return group_ioctl(request, arg);
	case IOMMUFD:
		return iommufd_ioctl(request, arg);
	case NOTHING:
		return -ENOTTY;
	default:
		return device_ioctl(fd, k, request, arg);
	}
}

/* Any thread may come. */
static int fake_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	pthread_mutex_lock(&lock);
	r = answer(fd, request, arg);
	pthread_mutex_unlock(&lock);
	return r;
}

static u8 *region_bytes(u64 at, size_t size)
{
	u64 offset = IN_REGION(at);

	if (REGION(at) == 0 && range_within(offset, size, RIG_BAR0))
		return bar0 + offset;
	if (REGION(at) == 2 && range_within(offset, size, RIG_BAR2))
		return rig.bar2 + offset;
	if (REGION(at) == 7 && range_within(offset, size, 256))
		return rig.config + offset;
	return NULL;
}

/* Under the lock: where an access goes, or NULL with the result of the call in *result. */
static u8 *reach_region(int fd, u64 at, size_t size, ssize_t *result)
{
	u8 *p = *kind_of(fd) == NOTHING ? NULL : region_bytes(at, size);

	*result = p ? (ssize_t)size : *kind_of(fd) == NOTHING ? 0 : -EINVAL;
	return p;
}

static ssize_t fake_read(int fd, void *to, size_t size, u64 at)
{
	ssize_t result;
	u8 *p;

	pthread_mutex_lock(&lock);
	p = reach_region(fd, at, size, &result);
	if (p) {
		memcpy(to, p, size);
		rig.config_reads += REGION(at) == 7;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

static ssize_t fake_write(int fd, const void *from, size_t size, u64 at)
{
	ssize_t result;
	u8 *p;

	pthread_mutex_lock(&lock);
	p = reach_region(fd, at, size, &result);
	if (p)
		memcpy(p, from, size);
	pthread_mutex_unlock(&lock);
	return result;
}

static void count_open(int by)
{
	pthread_mutex_lock(&lock);
	rig.open += (unsigned int)by;
	pthread_mutex_unlock(&lock);
}

static void *fake_map(int fd, u64 size, u64 at)
{
	void *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bar0_fd, (off_t)IN_REGION(at));

	assert_int_equal(REGION(at), 0);
	/* the page between is the kernel's alone */
	assert_true(IN_REGION(at) + size <= 4096 || IN_REGION(at) >= 8192);
	assert_true(p != MAP_FAILED);
	count_open(1);
	return p;
}

static void fake_unmap(void *p, u64 size)
{
	munmap(p, size);
	count_open(-1);
}

static void fake_blank(void *p, u64 size)
{
	assert_true(mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == p);
	memset(p, 0xff, size);
}

static const struct vfio_calls fake = {
	.open = fake_open,
	.ioctl = fake_ioctl,
	.read = fake_read,
	.write = fake_write,
	.map = fake_map,
	.unmap = fake_unmap,
	.close = fake_close,
	.retire = fake_retire,
	.blank = fake_blank,
	.dev = "/dev",
};

u32 rig_bar0_read(u64 offset)
{
	return *(volatile u32 *)(void *)(bar0 + offset);
}

void rig_bar0_write(u64 offset, u32 value)
{
	*(volatile u32 *)(void *)(bar0 + offset) = value;
}

static void make_folder(const char *leaf)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", root, leaf);
	assert_int_equal(mkdir(path, 0700), 0);
}

void rig_sysfs_link(const char *leaf, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:00:03.0/%s", root, leaf);
	unlink(path);
	if (*target)
		assert_int_equal(symlink(target, path), 0);
}

static void make_sysfs(void)
{
	static const char *const folders[] = {"/bus",
					      "/bus/pci",
					      "/bus/pci/devices",
					      "/bus/pci/drivers",
					      "/bus/pci/devices/0000:00:03.0",
					      "/bus/pci/devices/0000:00:03.0/vfio-dev",
					      "/bus/pci/devices/0000:00:03.0/vfio-dev/vfio0"};

	strcpy(root, "/tmp/dmamap-sysfs-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (unsigned int i = 0; i < ARRAY_SIZE(folders); i++)
		make_folder(folders[i]);
	rig_sysfs_link("driver", "../../../bus/pci/drivers/vfio-pci");
	rig_sysfs_link("iommu_group", "../../../kernel/iommu_groups/7");
	setenv("DMAMAP_SYSFS", root, 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void rig_start(void)
{
	memset(&rig, 0, sizeof(rig));
	memset(kind, 0, sizeof(kind));
	has_container = has_iommu = by_iommufd = bound = attached = device_open = false;
	rig.limit = 65535;
	rig.window[0].last = 0xfedfffff;
	rig.window[1].first = 0xfef00000;
	rig.window[1].last = (1ull << 39) - 1;
	rig.windows = 2;
	rig.msix = rig.msix_left = 5;
	rig.msi = rig.intx = 1;
	rig.req_fd = rig.intx_fd = -1;
	bar0_fd = memfd_create("bar0", MFD_CLOEXEC);
	assert_int_equal(ftruncate(bar0_fd, RIG_BAR0), 0);
	bar0 = mmap(NULL, RIG_BAR0, PROT_READ | PROT_WRITE, MAP_SHARED, bar0_fd, 0);
	assert_true(bar0 != MAP_FAILED);
	make_sysfs();
	was = vfio_calls;
	vfio_calls = &fake;
}

void rig_end(void)
{
	assert_int_equal(rig.open, 0);
	assert_int_equal(rig.n_maps, 0);
	vfio_calls = was;
	munmap(bar0, RIG_BAR0);
	close(bar0_fd);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	unsetenv("DMAMAP_SYSFS");
}
