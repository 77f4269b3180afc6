/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's descriptors, the registers of its PCI function, and its sysfs tree. It
 * replaces the library's table of system calls from rig_start() to rig_end(). vfio_rig_ioctl.c has
 * the requests of ioctl().
 */
#include "vfio_rig_private.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_FIRST      100000
#define FDS	      32
#define REGION(at)    ((unsigned int)((at) >> 40))
#define IN_REGION(at) ((at) & ((1ull << 40) - 1))

struct rig_kernel rig;
struct rig_state rig_state;
pthread_mutex_t rig_lock = PTHREAD_MUTEX_INITIALIZER;

static enum rig_kind rig_kinds[FDS]; /* of each descriptor */
static int rig_bar0_fd = -1;
static u8 *rig_bar0;
static char sysfs_root[64];
static const struct vfio_calls *rig_saved_calls; /* the library's own */

int rig_fd_new(enum rig_kind k)
{
	for (int i = 0; i < FDS; i++)
		if (rig_kinds[i] == FD_FREE) {
			rig_kinds[i] = k;
			rig.open++;
			return FD_FIRST + i;
		}
	fail_msg("too many open files");
	return -1;
}

enum rig_kind *rig_fd_kind(int fd)
{
	assert_in_range(fd, FD_FIRST, FD_FIRST + FDS - 1);
	assert_int_not_equal(rig_kinds[fd - FD_FIRST], FD_FREE);
	return &rig_kinds[fd - FD_FIRST];
}

static int rig_sys_open_locked(const char *path)
{
	size_t n = rig.refused ? strlen(rig.refused) : 0;

	if (n && strlen(path) >= n && !strcmp(path + strlen(path) - n, rig.refused))
		return -rig.refuse_err;
	if (!strcmp(path, "/dev/vfio/vfio"))
		return rig_fd_new(FD_CONTAINER);
	if (!strcmp(path, "/dev/vfio/7")) {
		for (int i = 0; i < FDS; i++)
			if (rig_kinds[i] == FD_GROUP || rig_state.bound)
				return -EBUSY;
		return rig_fd_new(FD_GROUP);
	}
	if (!strcmp(path, "/dev/iommu"))
		return rig_fd_new(FD_IOMMUFD);
	if (!strcmp(path, "/dev/vfio/devices/vfio0"))
		return rig_fd_new(FD_CDEV);
	return -ENOENT;
}

static int rig_sys_open(const char *path)
{
	int fd;

	pthread_mutex_lock(&rig_lock);
	fd = rig_sys_open_locked(path);
	pthread_mutex_unlock(&rig_lock);
	return fd;
}

static void rig_fd_release(int fd, enum rig_kind k)
{
	if (k == FD_GROUP)
		rig_state.has_container = false;
	if (k == FD_CONTAINER)
		rig_state.has_iommu = false;
	if (k == (rig_state.by_iommufd ? FD_IOMMUFD : FD_CONTAINER))
		rig.n_maps = 0;
	if (k == FD_DEVICE || (k == FD_CDEV && fd == rig_state.bound_fd)) {
		rig_state.device_open = rig_state.bound = rig_state.attached = false;
		rig.vectors_on = 0;
		rig.req_fd = rig.intx_fd = -1;
	}
}

static void rig_sys_close(int fd)
{
	enum rig_kind *k;

	pthread_mutex_lock(&rig_lock);
	k = rig_fd_kind(fd);
	rig_fd_release(fd, *k);
	*k = FD_FREE;
	rig.open--;
	pthread_mutex_unlock(&rig_lock);
}

static void rig_sys_retire(int fd)
{
	enum rig_kind *k;

	pthread_mutex_lock(&rig_lock);
	k = rig_fd_kind(fd);
	rig_fd_release(fd, *k);
	*k = FD_NOTHING;
	pthread_mutex_unlock(&rig_lock);
}

static int rig_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	pthread_mutex_lock(&rig_lock);
	r = rig_ioctl_locked(fd, request, arg);
	pthread_mutex_unlock(&rig_lock);
	return r;
}

static u8 *rig_region_bytes(u64 at, size_t size)
{
	u64 offset = IN_REGION(at);

	if (REGION(at) == 0 && range_within(offset, size, RIG_BAR0))
		return rig_bar0 + offset;
	if (REGION(at) == 2 && range_within(offset, size, RIG_BAR2))
		return rig.bar2 + offset;
	if (REGION(at) == 7 && range_within(offset, size, 256))
		return rig.config + offset;
	return NULL;
}

/*
 * Returns the bytes that an access at `at` reaches and sets *result to the result of the system
 * call; NULL if it reaches none. The caller holds rig_lock.
 */
static u8 *rig_region_reach(int fd, u64 at, size_t size, ssize_t *result)
{
	u8 *p = *rig_fd_kind(fd) == FD_NOTHING ? NULL : rig_region_bytes(at, size);

	*result = p ? (ssize_t)size : *rig_fd_kind(fd) == FD_NOTHING ? 0 : -EINVAL;
	return p;
}

static ssize_t rig_sys_read(int fd, void *to, size_t size, u64 at)
{
	ssize_t result;
	u8 *p;

	pthread_mutex_lock(&rig_lock);
	p = rig_region_reach(fd, at, size, &result);
	if (p) {
		memcpy(to, p, size);
		rig.config_reads += REGION(at) == 7;
	}
	pthread_mutex_unlock(&rig_lock);
	return result;
}

static ssize_t rig_sys_write(int fd, const void *from, size_t size, u64 at)
{
	ssize_t result;
	u8 *p;

	pthread_mutex_lock(&rig_lock);
	p = rig_region_reach(fd, at, size, &result);
	if (p)
		memcpy(p, from, size);
	pthread_mutex_unlock(&rig_lock);
	return result;
}

static void rig_count_open(int by)
{
	pthread_mutex_lock(&rig_lock);
	rig.open += (unsigned int)by;
	pthread_mutex_unlock(&rig_lock);
}

static void *rig_sys_map(int fd, u64 size, u64 at)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, rig_bar0_fd,
		       (off_t)IN_REGION(at));

	assert_int_equal(REGION(at), 0);
	/* the kernel does not allow the page between the two areas to be mapped */
	assert_true(IN_REGION(at) + size <= 4096 || IN_REGION(at) >= 8192);
	assert_true(p != MAP_FAILED);
	rig_count_open(1);
	return p;
}

static void rig_sys_unmap(void *p, u64 size)
{
	munmap(p, size);
	rig_count_open(-1);
}

static void rig_sys_blank(void *p, u64 size)
{
	assert_true(mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == p);
	memset(p, 0xff, size);
}

static const struct vfio_calls rig_calls = {
	.open = rig_sys_open,
	.ioctl = rig_sys_ioctl,
	.read = rig_sys_read,
	.write = rig_sys_write,
	.map = rig_sys_map,
	.unmap = rig_sys_unmap,
	.close = rig_sys_close,
	.retire = rig_sys_retire,
	.blank = rig_sys_blank,
	.dev = "/dev",
};

u32 rig_bar0_read(u64 offset)
{
	return *(volatile u32 *)(void *)(rig_bar0 + offset);
}

void rig_bar0_write(u64 offset, u32 value)
{
	*(volatile u32 *)(void *)(rig_bar0 + offset) = value;
}

static void sysfs_make_folder(const char *leaf)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", sysfs_root, leaf);
	assert_int_equal(mkdir(path, 0700), 0);
}

void rig_sysfs_link(const char *leaf, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:00:03.0/%s", sysfs_root, leaf);
	unlink(path);
	if (*target)
		assert_int_equal(symlink(target, path), 0);
}

static void sysfs_make(void)
{
	static const char *const folders[] = {"/bus",
					      "/bus/pci",
					      "/bus/pci/devices",
					      "/bus/pci/drivers",
					      "/bus/pci/devices/0000:00:03.0",
					      "/bus/pci/devices/0000:00:03.0/vfio-dev",
					      "/bus/pci/devices/0000:00:03.0/vfio-dev/vfio0"};

	strcpy(sysfs_root, "/tmp/dmamap-sysfs-XXXXXX");
	assert_non_null(mkdtemp(sysfs_root));
	for (unsigned int i = 0; i < ARRAY_SIZE(folders); i++)
		sysfs_make_folder(folders[i]);
	rig_sysfs_link("driver", "../../../bus/pci/drivers/vfio-pci");
	rig_sysfs_link("iommu_group", "../../../kernel/iommu_groups/7");
	setenv("DMAMAP_SYSFS", sysfs_root, 1);
}

static int sysfs_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void rig_start(void)
{
	memset(&rig, 0, sizeof(rig));
	memset(rig_kinds, 0, sizeof(rig_kinds));
	memset(&rig_state, 0, sizeof(rig_state));
	rig.limit = 65535;
	rig.window[0].last = 0xfedfffff;
	rig.window[1].first = 0xfef00000;
	rig.window[1].last = (1ull << 39) - 1;
	rig.windows = 2;
	rig.msix = rig.msix_left = 5;
	rig.msi = rig.intx = 1;
	rig.req_fd = rig.intx_fd = -1;
	rig_bar0_fd = memfd_create("bar0", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rig_bar0_fd, RIG_BAR0), 0);
	rig_bar0 = mmap(NULL, RIG_BAR0, PROT_READ | PROT_WRITE, MAP_SHARED, rig_bar0_fd, 0);
	assert_true(rig_bar0 != MAP_FAILED);
	sysfs_make();
	rig_saved_calls = vfio_calls;
	vfio_calls = &rig_calls;
}

void rig_end(void)
{
	assert_int_equal(rig.open, 0);
	assert_int_equal(rig.n_maps, 0);
	vfio_calls = rig_saved_calls;
	munmap(rig_bar0, RIG_BAR0);
	close(rig_bar0_fd);
	nftw(sysfs_root, sysfs_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	unsetenv("DMAMAP_SYSFS");
}
