/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds out whether something uses a function. The function's block devices and network interfaces
 * are folders below its own in sysfs; the link `subsystem` of a folder shows its kind. A multipath
 * disk is named without the path: the disk of nvme0c1n1 is nvme0n1. The walk does not follow
 * symbolic links and ends at a depth of DEPTH_MAX.
 */
#include "vfio/bind.h"
#include "base/error.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 12

static const char *use_proc_root(void)
{
	const char *root = secure_getenv("DMAMAP_PROC");

	return root && *root ? root : "/proc";
}

static bool use_join_path(char out[SYSFS_PATH_MAX], const char *a, const char *b)
{
	return snprintf(out, SYSFS_PATH_MAX, "%s/%s", a, b) < SYSFS_PATH_MAX;
}

/* True: the last component of the target of the link is `name`. */
static bool use_link_is(const char *folder, const char *link, const char *name)
{
	char path[SYSFS_PATH_MAX], target[512];
	ssize_t n;

	if (!use_join_path(path, folder, link))
		return false;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	return !strcmp(strrchr(target, '/') ? strrchr(target, '/') + 1 : target, name);
}

/* Converts nvme0c1n1 to nvme0n1; other names stay as they are. */
static void use_disk_name(const char *name, char *out, size_t size)
{
	const char *c = strncmp(name, "nvme", 4) ? NULL : strchr(name + 4, 'c');
	const char *n = c ? strchr(c, 'n') : NULL;

	if (n)
		snprintf(out, size, "%.*s%s", (int)(c - name), name, n);
	else
		snprintf(out, size, "%s", name);
}

/*
 * True: `source` is the disk or a partition of it, as sda3, or nvme0n1p3 where the disk's name ends
 * in a digit.
 */
static bool use_is_of_disk(const char *source, const char *disk)
{
	size_t n = strlen(disk);

	if (!n || strncmp(source, disk, n) != 0)
		return false;
	if (!source[n])
		return true;
	return isdigit((unsigned char)disk[n - 1]) ? source[n] == 'p'
						   : isdigit((unsigned char)source[n]);
}

/* True: a line of a file of /proc names the disk in its word number `word` (from 0). */
static bool use_named_in(const char *leaf, const char *disk, int word, char *where, size_t size)
{
	char path[SYSFS_PATH_MAX], line[1024];
	bool found = false;
	FILE *f;

	f = use_join_path(path, use_proc_root(), leaf) ? fopen(path, "re") : NULL;
	while (f && !found && fgets(line, sizeof(line), f)) {
		char *rest = line, *first = strtok_r(line, " \t\n", &rest),
		     *second = strtok_r(NULL, " \t\n", &rest);
		const char *source = word ? second : first;

		if (!first || !second || strncmp(source, "/dev/", 5) != 0)
			continue;
		found = use_is_of_disk(source + 5, disk);
		if (found)
			snprintf(where, size, "%s", word ? first : second);
	}
	if (f)
		fclose(f);
	return found;
}

static bool use_has_holders(const char *folder)
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	bool any = false;
	DIR *dir;

	dir = use_join_path(path, folder, "holders") ? opendir(path) : NULL;
	while (dir && !any && (d = readdir(dir)))
		any = d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return any;
}

static int use_check_disk(const char *folder, const char *name)
{
	char disk[256], where[512];

	use_disk_name(name, disk, sizeof(disk));
	if (use_named_in("self/mounts", disk, 0, where, sizeof(where)))
		return error_set(EBUSY, "its disk %s is mounted at %s: umount it first", disk,
				 where);
	if (use_named_in("swaps", disk, 0, where, sizeof(where)))
		return error_set(EBUSY, "its disk %s is swap space: swapoff it first", disk);
	if (use_has_holders(folder))
		return error_set(EBUSY,
				 "its disk %s is part of another (RAID, LVM or encryption), which "
				 "lsblk shows: stop that one first",
				 disk);
	return 0;
}

static int use_check_interface(const char *folder, const char *name)
{
	char path[SYSFS_PATH_MAX], text[32] = "";
	FILE *f;

	f = use_join_path(path, folder, "flags") ? fopen(path, "re") : NULL;
	if (f && !fgets(text, sizeof(text), f))
		*text = 0;
	if (f)
		fclose(f);
	if (!(strtoul(text, NULL, 16) & 1)) /* IFF_UP */
		return 0;
	return error_set(
		EBUSY,
		"its network interface %s is up: ip link set %s down, if this machine can do "
		"without it",
		name, name);
}

/* Checks this folder and the folders below it. */
static int use_check_folder(const char *folder, const char *name, int depth)
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	int err = 0;
	DIR *dir;

	if (use_link_is(folder, "subsystem", "block"))
		err = use_check_disk(folder, name);
	else if (use_link_is(folder, "subsystem", "net"))
		err = use_check_interface(folder, name);
	dir = !err && depth < DEPTH_MAX ? opendir(folder) : NULL;
	while (dir && !err && (d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
		    use_join_path(path, folder, d->d_name))
			err = use_check_folder(path, d->d_name, depth + 1);
	if (dir)
		closedir(dir);
	return err;
}

/* True: the process has the file open. Only root can see the files of other users' processes. */
static bool use_has_open(const char *pid, const char *file)
{
	char path[SYSFS_PATH_MAX], target[256];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%.32s/fd", use_proc_root(), pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = 0;
		found = !strcmp(target, file);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int use_check_processes(const struct pci_function *f)
{
	char group[64], cdev[64];
	struct dirent *d;
	int err = 0;
	DIR *dir = opendir(use_proc_root());

	snprintf(group, sizeof(group), "/dev/vfio/%s", f->group);
	snprintf(cdev, sizeof(cdev), "/dev/vfio/devices/%s", f->cdev);
	while (dir && !err && (d = readdir(dir)))
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    (use_has_open(d->d_name, group) ||
		     (f->cdev[0] && use_has_open(d->d_name, cdev))))
			err = error_set(EBUSY, "process %s has it open: end it first", d->d_name);
	if (dir)
		closedir(dir);
	return err;
}

int pci_in_use(const struct pci_function *f)
{
	char path[SYSFS_PATH_MAX];
	int err;

	if (!sysfs_path(path, f->address.text, NULL))
		return 0;
	err = use_check_folder(path, f->address.text, 0);
	if (!err && strstr(f->driver, "vfio"))
		err = use_check_processes(f);
	if (err)
		error_prefix("%s is in use", f->address.text);
	return err;
}
