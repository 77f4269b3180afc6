/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks whether a PCI function is in use. The directories below the function's own in sysfs are
 * its block devices, network interfaces and device files; the link `subsystem` distinguishes them.
 *
 * An NVMe disk with several paths has a hidden device for each path, such as nvme0c1n1, and one
 * device for use, nvme0n1, which is not below the function. If nvme0n1 is in use, so is the
 * function.
 */
#include "vfio/use.h"
#include "vfio/bind.h"
#include "base/alloc.h"
#include "base/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32 /* a disk behind seven USB hubs has a depth of 16 */

const char *use_proc(void)
{
	const char *root = secure_getenv("DMAMAP_PROC");

	return root && *root ? root : "/proc";
}

bool use_join(char out[SYSFS_PATH_MAX], const char *a, const char *b)
{
	return snprintf(out, SYSFS_PATH_MAX, "%s/%s", a, b) < SYSFS_PATH_MAX;
}

const struct use_device *use_find(const struct use_list *list, bool block, u32 major, u32 minor)
{
	for (u32 i = 0; i < list->n; i++) {
		const struct use_device *d = &list->device[i];

		if (d->block == block && d->major == major && d->minor == minor)
			return d;
	}
	return NULL;
}

static int use_add(struct use_list *list, const struct use_device *d)
{
	u32 capacity = list->capacity ? 2 * list->capacity : 16;
	void *larger;

	if (list->n == USE_DEVICES_MAX)
		return error_set(E2BIG, "it has more than %u devices, too many to look at",
				 USE_DEVICES_MAX);
	if (list->n == list->capacity) {
		larger = alloc_grow(list->device, list->capacity * sizeof(*d),
				    capacity * sizeof(*d));
		if (!larger)
			return -ENOMEM;
		list->device = larger;
		list->capacity = capacity;
	}
	list->device[list->n++] = *d;
	return 0;
}

/* Copies the last component of the target of the link `subsystem`; "": there is no link. */
static void use_subsystem(const char *folder, char out[USE_NAME_MAX])
{
	char path[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	const char *name;
	ssize_t n;

	*out = 0;
	if (!use_join(path, folder, "subsystem"))
		return;
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = 0;
	name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	if (strlen(name) < USE_NAME_MAX)
		memcpy(out, name, strlen(name) + 1);
}

/* Reads the first line of a file. 0; -errno without an error message. */
static int use_read_line(const char *folder, const char *leaf, char *out, size_t size)
{
	char path[SYSFS_PATH_MAX];
	ssize_t n;
	int fd;

	if (!use_join(path, folder, leaf))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	out[n] = 0;
	out[strcspn(out, "\n")] = 0;
	return 0;
}

/*
 * Reads the device number, "MAJOR:MINOR", from the file `dev`. -ENOENT: the directory has no such
 * file.
 */
static int use_read_number(const char *folder, struct use_device *d)
{
	char text[64];
	int end = 0, err = use_read_line(folder, "dev", text, sizeof(text));

	if (err)
		return err;
	if (sscanf(text, "%10u:%10u%n", &d->major, &d->minor, &end) != 2 || !end || text[end])
		return -EINVAL;
	return 0;
}

/*
 * For the name of a path, nvme0c1n1, `out` becomes the name of the disk, nvme0n1. False: the name
 * is not that of a path.
 */
static bool use_disk_of_path(const char *name, char out[USE_NAME_MAX])
{
	const char *c = strncmp(name, "nvme", 4) ? NULL : strchr(name + 4, 'c');
	const char *n = c ? strchr(c, 'n') : NULL;

	if (n)
		snprintf(out, USE_NAME_MAX, "%.*s%s", (int)(c - name), name, n);
	return n != NULL;
}

/*
 * Checks that no other device uses this one; the kernel links such devices in the directory
 * `holders`.
 */
static int use_check_holders(const char *folder, const char *name)
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	int err = 0;
	DIR *dir;

	dir = use_join(path, folder, "holders") ? opendir(path) : NULL;
	while (dir && !err && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			err = error_set(EBUSY,
					"its disk %s is part of another, %s (RAID, LVM or "
					"encryption): lsblk shows of which; stop that first",
					name, d->d_name);
	if (dir)
		closedir(dir);
	return err;
}

static int use_walk(struct use_list *list, const char *folder, const char *name, int depth);

static int use_add_disk(struct use_list *list, const char *folder, const char *name, int depth)
{
	char path[SYSFS_PATH_MAX], leaf[USE_NAME_MAX + 16], disk[USE_NAME_MAX];
	struct use_device d = {.block = true};
	int err;

	if (use_disk_of_path(name, disk)) {
		snprintf(leaf, sizeof(leaf), "class/block/%s", disk);
		if (!use_join(path, sysfs_root(), leaf) || access(path, F_OK))
			return error_set(
				ENOENT,
				"%s is a path to the disk %s, which is not in %s/class/block", name,
				disk, sysfs_root());
		return use_walk(list, path, disk, depth + 1);
	}
	snprintf(d.name, sizeof(d.name), "%s", name);
	err = use_read_number(folder, &d);
	if (err)
		return error_set(-err, "the number of its disk %s cannot be read (%s/dev): %s",
				 name, folder, strerror(-err));
	err = use_check_holders(folder, name);
	return err ? err : use_add(list, &d);
}

static int use_check_interface(const char *folder, const char *name)
{
	char text[32];
	int err = use_read_line(folder, "flags", text, sizeof(text));

	if (err)
		return error_set(-err,
				 "the state of its network interface %s cannot be read "
				 "(%s/flags): %s",
				 name, folder, strerror(-err));
	if (!(strtoul(text, NULL, 16) & 1)) /* IFF_UP */
		return 0;
	return error_set(
		EBUSY,
		"its network interface %s is up: ip link set %s down, if this machine can do "
		"without it",
		name, name);
}

static int use_add_other(struct use_list *list, const char *folder, const char *name)
{
	struct use_device d = {.block = false};
	int err = use_read_number(folder, &d);

	if (err == -ENOENT)
		return 0;
	if (err)
		return error_set(-err, "the number of its device %s cannot be read (%s/dev): %s",
				 name, folder, strerror(-err));
	snprintf(d.name, sizeof(d.name), "%s", name);
	return use_add(list, &d);
}

/* Handles the directory according to its subsystem. */
static int use_look_at(struct use_list *list, const char *folder, const char *name, int depth)
{
	char subsystem[USE_NAME_MAX];

	use_subsystem(folder, subsystem);
	if (!strcmp(subsystem, "block"))
		return use_add_disk(list, folder, name, depth);
	if (!strcmp(subsystem, "net"))
		return use_check_interface(folder, name);
	return use_add_other(list, folder, name);
}

/* True: a directory, and not a link to one. */
static bool use_is_folder(const char *path, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

/*
 * The directory `net` exists while the function has interfaces, but lists only those in the network
 * namespace of this process.
 */
static int use_check_empty(const char *name, u32 entries)
{
	if (entries || strcmp(name, "net") != 0)
		return 0;
	return error_set(EBUSY,
			 "its network interface is in another network namespace: ip -n NAMESPACE "
			 "link set INTERFACE netns 1 brings it back");
}

/* Handles this directory and those below it; links are not followed. */
static int use_walk(struct use_list *list, const char *folder, const char *name, int depth)
{
	char path[SYSFS_PATH_MAX];
	struct dirent *d;
	u32 entries = 0;
	int err;
	DIR *dir;

	if (depth > DEPTH_MAX)
		return error_set(ELOOP, "%s is too deep to look at", folder);
	err = use_look_at(list, folder, name, depth);
	if (err)
		return err;
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0
				       : error_set(errno, "cannot look into %s: %s", folder,
						   strerror(errno));
	while (!err && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		entries++;
		if (!use_join(path, folder, d->d_name))
			err = error_set(ENAMETOOLONG, "a path below %s is too long", folder);
		else if (use_is_folder(path, d))
			err = use_walk(list, path, d->d_name, depth + 1);
	}
	closedir(dir);
	return err ? err : use_check_empty(name, entries);
}

int pci_in_use(const struct pci_function *f)
{
	char path[SYSFS_PATH_MAX];
	struct use_list list = {0};
	int err;

	if (!sysfs_path(path, f->address.text, NULL))
		return error_set(ENAMETOOLONG, "the path of sysfs is too long");
	err = use_walk(&list, path, f->address.text, 0);
	if (!err)
		err = use_check_disks(&list);
	if (!err)
		err = use_check_programs(&list, f);
	alloc_free(list.device);
	if (err == -EBUSY)
		error_prefix("%s is in use", f->address.text);
	else if (err)
		error_prefix("%s may be in use", f->address.text);
	return err;
}
