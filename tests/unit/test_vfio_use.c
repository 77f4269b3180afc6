/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a function is in use. sysfs and proc are trees that the test creates, and the test also
 * determines the result of an exclusive open. Each test begins with a disk sda with one partition
 * that nothing uses, and changes one thing.
 */
#include "core_rig.h"

#include "vfio/bind.h"
#include "vfio/calls.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUNCTION "sys/bus/pci/devices/0000:00:03.0"
#define DISK	 FUNCTION "/ata1/host0/block/sda"

static char root[64];
static const struct vfio_calls *was;
static struct vfio_calls calls;

/* The kernel's result when a disk is opened exclusively: for the path that ends like this. */
static const char *opened; /* NULL: all can be opened */
static int open_result;
static u32 opens, closes;

static int open_disk(const char *path, u32 *major, u32 *minor)
{
	opens++;
	if (opened && !strcmp(path, opened) && open_result < 0)
		return closes++, open_result;
	*major = 8;
	*minor = strstr(path, "sda1") || (opened && !strcmp(path, opened));
	return 1000;
}

static void close_disk(int fd)
{
	assert_int_equal(fd, 1000);
	closes++;
}

/* A folder and those above it. */
static void folder(const char *leaf)
{
	char path[512];

	for (const char *end = strchr(leaf, '/');; end = strchr(end + 1, '/')) {
		int n = end ? (int)(end - leaf) : (int)strlen(leaf);

		snprintf(path, sizeof(path), "%s/%.*s", root, n, leaf);
		mkdir(path, 0700);
		if (!end)
			return;
	}
}

static const char *path_of(const char *above, const char *leaf)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/%s%s%s", root, above, *leaf ? "/" : "", leaf);
	return path;
}

static void file(const char *above, const char *leaf, const char *text)
{
	FILE *f;

	folder(above);
	f = fopen(path_of(above, leaf), "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void link_to(const char *above, const char *leaf, const char *target)
{
	folder(above);
	unlink(path_of(above, leaf));
	assert_int_equal(symlink(target, path_of(above, leaf)), 0);
}

/* A folder of sysfs that represents a device. */
static void device_folder(const char *above, const char *subsystem, const char *number)
{
	char target[64];

	snprintf(target, sizeof(target), "/sys/class/%s", subsystem);
	link_to(above, "subsystem", target);
	if (number)
		file(above, "dev", number);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

#define OWN_MOUNTS                                                                                 \
	"20 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"                                          \
	"21 20 0:5 / /proc rw shared:7 master:1 - proc proc rw\n"

static int begin(void **state)
{
	strcpy(root, "/tmp/dmamap-use-XXXXXX");
	assert_non_null(mkdtemp(root));
	setenv("DMAMAP_SYSFS", path_of("sys", ""), 1);
	setenv("DMAMAP_PROC", path_of("proc", ""), 1);
	device_folder(FUNCTION, "pci", NULL);
	device_folder(DISK, "block", "8:0\n");
	folder(DISK "/holders");
	device_folder(DISK "/sda1", "block", "8:1\n");
	folder(DISK "/sda1/holders");
	folder(DISK "/queue");
	file("proc/self", "mountinfo", OWN_MOUNTS);
	link_to("proc/self/ns", "mnt", "mnt:[1]");
	file("proc", "swaps", "Filename\tType\tSize\n");
	folder("proc/42/fd");
	link_to("proc/42/ns", "mnt", "mnt:[1]");
	was = vfio_calls;
	calls = *was;
	calls.open_disk = open_disk;
	calls.close = close_disk;
	calls.dev = "/made-up";
	vfio_calls = &calls;
	opened = NULL;
	opens = closes = 0;
	return 0;
}

static int end(void **state)
{
	vfio_calls = was;
	unsetenv("DMAMAP_SYSFS");
	unsetenv("DMAMAP_PROC");
	assert_int_equal(opens, closes);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static int use(void)
{
	struct pci_address address;
	struct pci_function f;

	assert_int_equal(pci_address_parse(&address, "00:03.0"), 0);
	pci_function_read(&f, &address);
	assert_true(f.there);
	return pci_in_use(&f);
}

/* Refused, with both texts in the error message. */
static void refused(int err, const char *what, const char *remedy)
{
	int got = use();

	if (got != -err || !strstr(dmamap_strerror(), what) || !strstr(dmamap_strerror(), remedy))
		fail_msg("%d, \"%s\": not %d, \"%s\", \"%s\"", got, dmamap_strerror(), -err, what,
			 remedy);
	assert_non_null(strstr(dmamap_strerror(), err == EBUSY ? "0000:00:03.0 is in use"
							       : "0000:00:03.0 may be in use"));
}

static void test_nothing_uses_it(void **state)
{
	assert_int_equal(use(), 0);
	assert_int_equal(opens, 2); /* disk and partition, exclusively */
	/* similar names of another disk */
	file("proc/self", "mountinfo",
	     OWN_MOUNTS "22 20 8:16 / /b rw - ext4 /dev/sdb rw\n"
			"23 20 0:44 / /c rw - nfs host:/dev/sda1 rw\n"
			"24 20 0:45 / /d rw - btrfs /dev/sdaa1 rw\n");
	file("proc", "swaps", "/dev/sdb1 partition 1 0 -2\n/swap/dev/sda1 file 1 0 -2\n");
	folder("sys/fs/btrfs/features");
	folder("sys/fs/btrfs/1234/devices/sdb");
	file("sys/block/loop0/loop", "backing_file", "/images/dev/sda1\n");
	file("sys/block/sdb/loop", "backing_file", "/dev/sda1\n"); /* no loop device */
	link_to("proc/42/fd", "0", "/dev/sdb");
	link_to("proc/42/fd", "1", "/dev/zero");
	link_to("proc/42/fd", "2", "pipe:[77]");
	file(FUNCTION "/net/eth0", "flags", "0x1002\n");
	device_folder(FUNCTION "/net/eth0", "net", NULL);
	assert_int_equal(use(), 0);
}

/* The number is decisive, whatever the name is. */
static void test_mounted(void **state)
{
	file("proc/self", "mountinfo", OWN_MOUNTS "22 20 8:1 / / rw - ext4 /dev/root rw\n");
	refused(EBUSY, "sda1 is mounted at /", "umount");
	file("proc/self", "mountinfo",
	     OWN_MOUNTS "22 20 8:0 /sub /a\\040b\\134c rw master:1 shared:2 - xfs none rw\n");
	refused(EBUSY, "sda is mounted at /a b\\c:", "umount");
	/*
	 * a file system on several disks has a number of its own, and contains the name of one of
	 * them
	 */
	file("proc/self", "mountinfo",
	     OWN_MOUNTS "22 20 0:30 / /pool rw - btrfs /dev\\057sda1 rw\n");
	refused(EBUSY, "sda is mounted at /pool", "umount");
	file("proc/self", "mountinfo", OWN_MOUNTS);
	folder("sys/fs/btrfs/1234/devices");
	link_to("sys/fs/btrfs/1234/devices", "sda1", "../../../../devices/pci/sda1");
	refused(EBUSY, "sda1 is part of a btrfs", "fs/btrfs/1234");
}

static void test_mounted_elsewhere(void **state)
{
	/* a namespace is read once: that of 42 is the one of this process */
	file("proc/42", "mountinfo", "22 20 8:1 / /a rw - ext4 /dev/root rw\n");
	assert_int_equal(use(), 0);
	link_to("proc/42/ns", "mnt", "mnt:[2]");
	refused(EBUSY, "mounted at /a in the mount namespace of process 42", "umount");
	unlink(path_of("proc/42/ns", "mnt")); /* it cannot be distinguished */
	refused(EBUSY, "process 42", "umount");
	/* 42 ends while its files are read */
	unlink(path_of("proc/42", "mountinfo"));
	assert_int_equal(use(), 0);
	/* many processes in many namespaces */
	for (int i = 100; i < 300; i++) {
		char leaf[64], name[32];

		snprintf(leaf, sizeof(leaf), "proc/%d", i);
		file(leaf, "mountinfo", i == 299 ? "22 20 8:0 / /z rw - ext4 x rw\n" : OWN_MOUNTS);
		snprintf(leaf, sizeof(leaf), "proc/%d/ns", i);
		snprintf(name, sizeof(name), "mnt:[%d]", i);
		link_to(leaf, "mnt", name);
	}
	refused(EBUSY, "/z in the mount namespace of process 299", "umount");
}

static void test_swap_and_parts(void **state)
{
	file("proc", "swaps", "Filename\tType\n/dev/sda1 partition 1 0 -2\n");
	refused(EBUSY, "sda is swap space", "swapoff");
	file("proc", "swaps", "Filename\tType\n/dev\\057sda1 partition 1 0 -2\n");
	refused(EBUSY, "sda is swap space", "swapoff");
	unlink(path_of("proc", "swaps")); /* a kernel without swap */
	assert_int_equal(use(), 0);
	folder(DISK "/sda1/holders/dm-0");
	refused(EBUSY, "sda1 is part of another, dm-0", "lsblk");
	rmdir(path_of(DISK "/sda1/holders/dm-0", ""));
	file("sys/block/loop7/loop", "backing_file", "/dev/sda1\n");
	refused(EBUSY, "sda is behind loop7", "losetup -d /dev/loop7");
}

static void test_exclusive(void **state)
{
	opened = "/made-up/sda1";
	open_result = -EBUSY;
	refused(EBUSY, "the kernel uses its disk sda1", "lsblk");
	open_result = -EACCES;
	refused(EACCES, "/made-up/sda1", "run this as root");
	open_result = -ENOENT;
	refused(ENOENT, "cannot open its disk /made-up/sda1", "");
	open_result = -ENOMEDIUM;
	assert_int_equal(use(), 0);
	opened = "/made-up/sda"; /* and it is 8:1 */
	open_result = 0;
	refused(ENODEV, "/made-up/sda is device 8:1", "8:0");
	/* a name in sysfs cannot contain a slash */
	device_folder(DISK "/sda!x", "block", "8:1\n");
	opened = "/made-up/sda/x";
	open_result = -EBUSY;
	refused(EBUSY, "sda!x", "stop that first");
}

/* If it cannot be decided, the function is refused. */
static void test_in_doubt(void **state)
{
	static const char *const odd[] = {"", "8", "8:", "8:0:1", "eight:0", "8:0 and more"};
	static const char *const lines[] = {"22 20 8:1 / / rw ext4 /dev/root rw\n", "rubbish\n",
					    "22 20 x / / rw - ext4 /dev/root rw\n", "22 20\n",
					    "22 20 8:9 / / rw - ext4\n"};

	for (u32 i = 0; i < ARRAY_SIZE(odd); i++) {
		file(DISK "/sda1", "dev", odd[i]);
		refused(EINVAL, "sda1", "/dev)");
	}
	unlink(path_of(DISK "/sda1", "dev"));
	refused(ENOENT, "number of its disk sda1 cannot be read", "");
	file(DISK "/sda1", "dev", "8:1\n");
	for (u32 i = 0; i < ARRAY_SIZE(lines); i++) {
		file("proc/self", "mountinfo", lines[i]);
		refused(EINVAL, "self/mountinfo", "not understood");
	}
	unlink(path_of("proc/self", "mountinfo"));
	refused(ENOENT, "self/mountinfo", "cannot read");
	folder("proc/self/mountinfo"); /* it can be opened, but not read */
	refused(EIO, "self/mountinfo", "to its end");
	rmdir(path_of("proc/self/mountinfo", ""));
	file("proc/self", "mountinfo", OWN_MOUNTS);
	assert_int_equal(use(), 0);
	file("sys/fs", "btrfs", "a file, and no folder");
	refused(ENOTDIR, "fs/btrfs", "cannot look into");
}

static void test_many_paths(void **state)
{
	const char *nvme = FUNCTION "/nvme/nvme0/nvme0c1n1";

	device_folder(nvme, "block", NULL); /* hidden: it has no number */
	refused(ENOENT, "nvme0c1n1 is a path to the disk nvme0n1", "class/block");
	device_folder("sys/class/block/nvme0n1", "block", "259:0\n");
	device_folder("sys/class/block/nvme0n1/nvme0n1p2", "block", "259:2\n");
	file("proc/self", "mountinfo", OWN_MOUNTS "22 20 259:2 / /home rw - ext4 /dev/x rw\n");
	refused(EBUSY, "nvme0n1p2 is mounted at /home", "umount");
}

/* Other devices than disks; /dev/null represents one that a program has open. */
static void test_programs(void **state)
{
	link_to("proc/42/fd", "3", "/dev/sda1");
	refused(EBUSY, "process 42 has it open", "end it first");
	link_to("proc/42/fd", "3", "/dev/null");
	assert_int_equal(use(), 0);
	device_folder(FUNCTION "/video4linux/video0", "video4linux", "1:3\n");
	refused(EBUSY, "process 42 has it open", "end it first");
	device_folder(FUNCTION "/video4linux/video0", "block", "1:3\n"); /* 1:3 of a disk */
	refused(ENODEV, "/made-up/video0", "1:3");
	device_folder(FUNCTION "/video4linux/video0", "video4linux", "1:4\n");
	assert_int_equal(use(), 0);
	device_folder(FUNCTION "/video4linux/video0", "video4linux", "one");
	refused(EINVAL, "video0", "/dev)");
}

static void test_interfaces(void **state)
{
	file(FUNCTION "/net/eth0", "flags", "0x1003\n");
	device_folder(FUNCTION "/net/eth0", "net", NULL);
	refused(EBUSY, "interface eth0 is up", "ip link set eth0 down");
	unlink(path_of(FUNCTION "/net/eth0", "flags"));
	refused(ENOENT, "state of its network interface eth0", "");
	unlink(path_of(FUNCTION "/net/eth0", "subsystem"));
	rmdir(path_of(FUNCTION "/net/eth0", ""));
	refused(EBUSY, "in another network namespace", "ip -n");
}

static void test_limits(void **state)
{
	char deep[700] = DISK;

	for (int i = 0; i < 40; i++)
		strcat(deep, "/x");
	folder(deep);
	refused(ELOOP, "too deep", "");
}

/* Each allocation fails in turn. */
static void test_no_memory(void **state)
{
	char plan[32];
	u32 n = 1;
	int err;

	for (;; n++) {
		snprintf(plan, sizeof(plan), "memory:nth=%u", n);
		assert_int_equal(dmamap_fail(plan), 0);
		err = use();
		assert_int_equal(dmamap_fail(NULL), 0);
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_true(n < 100);
	}
	assert_int_equal(n, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_nothing_uses_it), T(test_mounted),   T(test_mounted_elsewhere),
		T(test_swap_and_parts),	 T(test_exclusive), T(test_in_doubt),
		T(test_many_paths),	 T(test_programs),  T(test_interfaces),
		T(test_limits),		 T(test_no_memory),
	};

	return cmocka_run_group_tests_name("vfio_use", tests, NULL, NULL);
}
