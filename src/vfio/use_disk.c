/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks whether the kernel uses a function's disks and partitions. A disk is identified by its
 * number, because a list of mounts may contain it under any name (/dev/root, /dev/mapper/..., a
 * name in another mount namespace). A file system on several disks, such as btrfs, has a number of
 * its own in that list, so it is looked up in sysfs. At the end each device is opened exclusively,
 * which fails if the kernel uses the device. This also detects users that no list contains.
 */
#include "vfio/use.h"
#include "vfio/calls.h"
#include "base/alloc.h"
#include "base/error.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINES_MAX      (1u << 20) /* limit for one file */
#define NAMESPACES_MAX 65536
#define NAMESPACE_SIZE 32 /* "mnt:[4026531841]" */

/* Mount namespaces whose mounts were checked. */
struct use_seen {
	char (*name)[NAMESPACE_SIZE];
	u32 n, capacity;
};

/*
 * Replaces octal escapes such as "\040", with which the kernel writes blanks and backslashes in
 * lists, in place.
 */
static void use_unescape(char *s)
{
	char *to = s;

	while (*s) {
		unsigned int a = 0, b = 0, c = 0;
		bool octal = s[0] == '\\' && (a = (unsigned int)s[1] - '0') < 4 &&
			     (b = (unsigned int)s[2] - '0') < 8 &&
			     (c = (unsigned int)s[3] - '0') < 8;

		*to++ = octal ? (char)(a << 6 | b << 3 | c) : *s;
		s += octal ? 4 : 1;
	}
	*to = 0;
}

/*
 * True: `name` is the disk or a partition of it, such as sda3, or nvme0n1p3 if the disk's name ends
 * with a digit.
 */
static bool use_is_of_disk(const char *name, const char *disk)
{
	size_t n = strlen(disk);

	if (!n || strncmp(name, disk, n) != 0)
		return false;
	if (!name[n])
		return true;
	return isdigit((unsigned char)disk[n - 1]) ? name[n] == 'p'
						   : isdigit((unsigned char)name[n]);
}

/* Finds the disk of the list that the path leads to, or whose usual name it is. NULL: none. */
static const struct use_device *use_find_path(const struct use_list *list, const char *path)
{
	const struct use_device *d;
	struct stat st;

	if (path[0] != '/')
		return NULL;
	if (!stat(path, &st) && S_ISBLK(st.st_mode)) {
		d = use_find(list, true, major(st.st_rdev), minor(st.st_rdev));
		if (d)
			return d;
	}
	for (u32 i = 0; i < list->n && !strncmp(path, "/dev/", 5); i++)
		if (list->device[i].block && use_is_of_disk(path + 5, list->device[i].name))
			return &list->device[i];
	return NULL;
}

/*
 * Checks a line of mountinfo: "ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS TAG... - TYPE SOURCE
 * OPTIONS" (proc(5)).
 */
static int use_check_mount(const struct use_list *list, char *line, const char *pid)
{
	char *word[5], *rest = NULL, *source = NULL, *w = strtok_r(line, " \n", &rest);
	const struct use_device *d;
	u32 major, minor, n = 0;

	for (; w && n < 5; n++, w = strtok_r(NULL, " \n", &rest))
		word[n] = w;
	while (w && strcmp(w, "-") != 0)
		w = strtok_r(NULL, " \n", &rest);
	if (w && strtok_r(NULL, " \n", &rest))
		source = strtok_r(NULL, " \n", &rest);
	if (!source || sscanf(word[2], "%10u:%10u", &major, &minor) != 2)
		return error_set(EINVAL, "%s/%s/mountinfo has a line that is not understood",
				 use_proc(), pid);
	use_unescape(source);
	d = use_find(list, true, major, minor);
	if (!d)
		d = use_find_path(list, source);
	if (!d)
		return 0;
	use_unescape(word[4]);
	if (!strcmp(pid, "self"))
		return error_set(EBUSY, "its disk %s is mounted at %s: umount it first", d->name,
				 word[4]);
	return error_set(EBUSY,
			 "its disk %s is mounted at %s in the mount namespace of process %s: "
			 "umount it there, or end the process, first",
			 d->name, word[4], pid);
}

static int use_check_swap(const struct use_list *list, char *line, const char *unused)
{
	const struct use_device *d;
	char *rest = NULL, *path = strtok_r(line, " \t\n", &rest);

	if (!path || path[0] != '/')
		return 0; /* the heading */
	use_unescape(path);
	d = use_find_path(list, path);
	return d ? error_set(EBUSY, "its disk %s is swap space: swapoff it first", d->name) : 0;
}

/*
 * Calls `check` with each line of the file `leaf`. `may_miss`: a file that does not exist counts as
 * empty.
 */
static int use_each_line(const struct use_list *list, const char *leaf, const char *pid,
			 int (*check)(const struct use_list *, char *, const char *), bool may_miss)
{
	char path[SYSFS_PATH_MAX], *line = NULL;
	size_t size = 0;
	u32 lines = 0;
	int err = 0;
	FILE *f;

	f = use_join(path, use_proc(), leaf) ? fopen(path, "re") : NULL;
	if (!f && may_miss && (errno == ENOENT || errno == ESRCH || errno == EINVAL))
		return 0;
	if (!f)
		return error_set(errno, "cannot read %s/%s: %s%s", use_proc(), leaf,
				 strerror(errno), errno == EACCES ? ": run this as root" : "");
	while (!err && getline(&line, &size, f) > 0)
		err = lines++ < LINES_MAX
			      ? check(list, line, pid)
			      : error_set(E2BIG, "%s/%s has too many lines", use_proc(), leaf);
	/* the process has ended, so it has no mounts */
	if (!err && ferror(f) && !may_miss)
		err = error_set(EIO, "cannot read %s/%s to its end", use_proc(), leaf);
	free(line);
	fclose(f);
	return err;
}

/*
 * 1: the mount namespace of the process was checked before; 0: it was not, or it is unknown;
 * -ENOMEM.
 */
static int use_seen_before(struct use_seen *seen, const char *pid)
{
	char path[SYSFS_PATH_MAX], leaf[USE_NAME_MAX], name[NAMESPACE_SIZE] = "";
	u32 capacity = seen->capacity ? 2 * seen->capacity : 64;
	void *larger;

	snprintf(leaf, sizeof(leaf), "%.32s/ns/mnt", pid);
	if (!use_join(path, use_proc(), leaf) || readlink(path, name, sizeof(name) - 1) <= 0)
		return 0;
	for (u32 i = 0; i < seen->n; i++)
		if (!strcmp(seen->name[i], name))
			return 1;
	if (seen->n == NAMESPACES_MAX)
		return 0;
	if (seen->n == seen->capacity) {
		larger = alloc_grow(seen->name, seen->capacity * sizeof(*seen->name),
				    capacity * sizeof(*seen->name));
		if (!larger)
			return -ENOMEM;
		seen->name = larger;
		seen->capacity = capacity;
	}
	memcpy(seen->name[seen->n++], name, sizeof(name));
	return 0;
}

static int use_check_mounts_of(const struct use_list *list, struct use_seen *seen, const char *pid)
{
	char leaf[USE_NAME_MAX];
	int err = use_seen_before(seen, pid);

	if (err)
		return err < 0 ? err : 0;
	snprintf(leaf, sizeof(leaf), "%.32s/mountinfo", pid);
	return use_each_line(list, leaf, pid, use_check_mount, strcmp(pid, "self") != 0);
}

/* Checks the mount namespace of this process, and then those of all other processes. */
static int use_check_mounts(const struct use_list *list)
{
	struct use_seen seen = {0};
	struct dirent *d;
	int err = use_check_mounts_of(list, &seen, "self");
	DIR *dir = err ? NULL : opendir(use_proc());

	if (!err && !dir)
		err = error_set(errno, "cannot see the processes in %s: %s", use_proc(),
				strerror(errno));
	while (!err && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9')
			err = use_check_mounts_of(list, &seen, d->d_name);
	if (dir)
		closedir(dir);
	alloc_free(seen.name);
	return err;
}

/* Calls `check` with the name of each entry of a folder below sysfs. */
static int use_each_entry(const struct use_list *list, const char *leaf,
			  int (*check)(const struct use_list *, const char *folder,
				       const char *name))
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	int err = 0;
	DIR *dir;

	dir = use_join(path, sysfs_root(), leaf) ? opendir(path) : NULL;
	if (!dir && errno != ENOENT)
		return error_set(errno, "cannot look into %s/%s: %s", sysfs_root(), leaf,
				 strerror(errno));
	while (dir && !err && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			err = check(list, leaf, d->d_name);
	if (dir)
		closedir(dir);
	return err;
}

/* `folder` is "fs/btrfs/UUID/devices". */
static int use_check_btrfs_device(const struct use_list *list, const char *folder, const char *name)
{
	for (u32 i = 0; i < list->n; i++)
		if (list->device[i].block && !strcmp(list->device[i].name, name))
			return error_set(EBUSY,
					 "its disk %s is part of a btrfs that is mounted "
					 "(%s/%s): umount that first",
					 name, sysfs_root(), folder);
	return 0;
}

static int use_check_btrfs(const struct use_list *list, const char *folder, const char *name)
{
	char leaf[2 * USE_NAME_MAX];

	snprintf(leaf, sizeof(leaf), "%s/%.200s/devices", folder, name);
	return use_each_entry(list, leaf, use_check_btrfs_device);
}

static int use_check_loop(const struct use_list *list, const char *folder, const char *name)
{
	char path[SYSFS_PATH_MAX], leaf[2 * USE_NAME_MAX], *line = NULL;
	const struct use_device *d = NULL;
	size_t size = 0;
	FILE *f;

	if (strncmp(name, "loop", 4) != 0)
		return 0;
	snprintf(leaf, sizeof(leaf), "%s/%.200s/loop/backing_file", folder, name);
	f = use_join(path, sysfs_root(), leaf) ? fopen(path, "re") : NULL;
	if (f && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		d = use_find_path(list, line);
	}
	free(line);
	if (f)
		fclose(f);
	return d ? error_set(EBUSY, "its disk %s is behind %s: losetup -d /dev/%s first", d->name,
			     name, name)
		 : 0;
}

static int use_refused(const struct use_device *d, const char *path, int err)
{
	if (err == -EBUSY)
		return error_set(
			EBUSY,
			"the kernel uses its disk %s (mounted where this process cannot see it, or "
			"part of a RAID, a btrfs or another such thing): lsblk %s may show of "
			"what; stop that first",
			d->name, path);
	return error_set(-err, "cannot open its disk %s: %s%s", path, strerror(-err),
			 err == -EACCES || err == -EPERM ? ": run this as root" : "");
}

/* An exclusive open fails while the kernel uses the device, for example because it is mounted. */
static int use_check_exclusive(const struct use_device *d)
{
	char path[SYSFS_PATH_MAX];
	u32 major = 0, minor = 0;
	int fd;

	if (!use_join(path, vfio_calls->dev, d->name))
		return error_set(ENAMETOOLONG, "the path of its disk %s is too long", d->name);
	for (char *c = path + strlen(vfio_calls->dev); *c; c++)
		*c = *c == '!' ? '/' : *c; /* sysfs replaces a slash in a name by '!' */
	fd = vfio_calls->open_disk(path, &major, &minor);
	if (fd == -ENOMEDIUM)
		return 0; /* an empty drive */
	if (fd < 0)
		return use_refused(d, path, fd);
	vfio_calls->close(fd);
	if (major != d->major || minor != d->minor)
		return error_set(ENODEV, "%s is device %u:%u and not its disk %s, which is %u:%u",
				 path, major, minor, d->name, d->major, d->minor);
	return 0;
}

/* True: sysfs is simulated, so its device files do not exist. */
static bool use_no_files(void)
{
	return strcmp(sysfs_root(), "/sys") != 0 && !strcmp(vfio_calls->dev, "/dev");
}

int use_check_disks(const struct use_list *list)
{
	u32 disks = 0;
	int err;

	for (u32 i = 0; i < list->n; i++)
		disks += list->device[i].block;
	if (!disks)
		return 0;
	err = use_check_mounts(list);
	if (!err)
		err = use_each_line(list, "swaps", "", use_check_swap, true);
	if (!err)
		err = use_each_entry(list, "fs/btrfs", use_check_btrfs);
	if (!err)
		err = use_each_entry(list, "block", use_check_loop);
	for (u32 i = 0; i < list->n && !err && !use_no_files(); i++)
		if (list->device[i].block)
			err = use_check_exclusive(&list->device[i]);
	return err;
}
