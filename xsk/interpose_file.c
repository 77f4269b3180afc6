/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files below /sys/class/net/IFNAME for the names of DMAMAP_XSK. Opening one returns a file in
 * memory with the content that the system's file would have. A file that is not listed here does
 * not exist.
 */
#ifndef __SANITIZE_THREAD__
#include "interpose.h"
#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NET_FOLDER "/sys/class/net/"
#define TEXT_MAX   64

/*
 * Splits a path below the folder into the name and the file. NULL: the path is the system's. `file`
 * is "" for the folder of the name.
 */
static struct xsk_name *xsk_file_split(const char *path, const char **file)
{
	char ifname[IFNAMSIZ];
	size_t len;

	if (!path || strncmp(path, NET_FOLDER, strlen(NET_FOLDER)) != 0 || !xsk_names_exist())
		return NULL;
	path += strlen(NET_FOLDER);
	len = strcspn(path, "/");
	if (!len || len >= sizeof(ifname))
		return NULL;
	memcpy(ifname, path, len);
	ifname[len] = '\0';
	*file = path + len + strspn(path + len, "/");
	return xsk_name_find(ifname);
}

/* The contents of a file. Returns false if there is no such file. */
static bool xsk_file_text(const struct xsk_name *name, const char *file, char text[TEXT_MAX])
{
	static const struct {
		const char *file, *text;
	} constant[] = {
		{"operstate", "up"},
		{"carrier", "1"},
		{"speed", "1000"},
		{"duplex", "full"},
		{"type", "1"},
		{"addr_len", "6"},
		{"flags", "0x1103"},
		{"tx_queue_len", "1000"},
		{"gro_flush_timeout", "0"},
		{"napi_defer_hard_irqs", "0"},
		{"dev_port", "0"},
		{"device/vendor", "0x8086"},
		{"device/device", "0x10d3"},
		{"device/numa_node", "-1"},
	};

	for (size_t i = 0; i < sizeof(constant) / sizeof(constant[0]); i++)
		if (!strcmp(file, constant[i].file)) {
			snprintf(text, TEXT_MAX, "%s\n", constant[i].text);
			return true;
		}
	if (!strcmp(file, "address"))
		snprintf(text, TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x\n", name->mac[0],
			 name->mac[1], name->mac[2], name->mac[3], name->mac[4], name->mac[5]);
	else if (!strcmp(file, "mtu"))
		snprintf(text, TEXT_MAX, "%u\n", __atomic_load_n(&name->mtu, __ATOMIC_RELAXED));
	else if (!strcmp(file, "ifindex") || !strcmp(file, "iflink"))
		snprintf(text, TEXT_MAX, "%u\n", name->index);
	else
		return false;
	return true;
}

/* Returns a descriptor, or -1 with errno. */
static int xsk_file_open(const struct xsk_name *name, const char *file, int flags)
{
	char text[TEXT_MAX];
	int fd;

	if (!xsk_file_text(name, file, text)) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create(file, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	if (fd < 0)
		return -1;
	/* writing to it has no effect, because the cards have no such setting */
	if (syscall(SYS_pwrite64, fd, text, strlen(text), 0L) < 0) {
		syscall(SYS_close, fd);
		return -1;
	}
	return fd;
}

static int xsk_file_next_open(int folder, const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, folder, path, flags, mode);
}

/* True if the path is of one of the names; then *fd is the result of open(). */
static bool xsk_file_is_ours(const char *path, int flags, int *fd)
{
	const char *file;
	const struct xsk_name *name = xsk_file_split(path, &file);

	if (name)
		*fd = xsk_file_open(name, file, flags);
	return name != NULL;
}

/* The argument after `flags` of a variadic function, which a call has only if it may create. */
#define XSK_FILE_MODE(flags)                                                                       \
	({                                                                                         \
		mode_t mode_ = 0;                                                                  \
		va_list args_;                                                                     \
                                                                                                   \
		va_start(args_, flags);                                                            \
		if ((flags) & (O_CREAT | O_TMPFILE))                                               \
			mode_ = va_arg(args_, mode_t);                                             \
		va_end(args_);                                                                     \
		mode_;                                                                             \
	})

INTERPOSE(int, open, const char *path, int flags, ...)
{
	mode_t mode = XSK_FILE_MODE(flags);
	__typeof__(&open) next;
	int fd;

	if (xsk_file_is_ours(path, flags, &fd))
		return fd;
	next = NEXT_FN(__typeof__(&open), open);
	return next ? next(path, flags, mode) : xsk_file_next_open(AT_FDCWD, path, flags, mode);
}

INTERPOSE(int, open64, const char *path, int flags, ...)
{
	return xsk_sys_open(path, flags | O_LARGEFILE, XSK_FILE_MODE(flags));
}

INTERPOSE(int, openat, int folder, const char *path, int flags, ...)
{
	mode_t mode = XSK_FILE_MODE(flags);
	__typeof__(&openat) next;
	int fd;

	if (xsk_file_is_ours(path, flags, &fd))
		return fd;
	next = NEXT_FN(__typeof__(&openat), openat);
	return next ? next(folder, path, flags, mode)
		    : xsk_file_next_open(folder, path, flags, mode);
}

/* Programs that are built with _FORTIFY_SOURCE call these functions instead. */
INTERPOSE(int, __open_2, const char *path, int flags)
{
	return xsk_sys_open(path, flags, 0);
}

INTERPOSE(int, __open64_2, const char *path, int flags)
{
	return xsk_sys_open(path, flags | O_LARGEFILE, 0);
}

/* The flags of open() for a mode of fopen(). */
static int xsk_file_fopen_flags(const char *mode)
{
	int flags = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;

	if (mode[0] == 'w')
		flags |= O_CREAT | O_TRUNC;
	if (mode[0] == 'a')
		flags |= O_CREAT | O_APPEND;
	return flags | (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

INTERPOSE(FILE *, fopen, const char *path, const char *mode)
{
	const char *file;
	const struct xsk_name *name = xsk_file_split(path, &file);
	__typeof__(&fopen) next = name ? NULL : NEXT_FN(__typeof__(&fopen), fopen);
	int flags, fd;
	FILE *f;

	if (next)
		return next(path, mode);
	flags = xsk_file_fopen_flags(mode);
	fd = name ? xsk_file_open(name, file, flags)
		  : xsk_file_next_open(AT_FDCWD, path, flags, 0666);
	if (fd < 0)
		return NULL;
	f = fdopen(fd, mode);
	if (!f)
		syscall(SYS_close, fd);
	return f;
}

INTERPOSE(FILE *, fopen64, const char *path, const char *mode)
{
	return xsk_sys_fopen(path, mode);
}

INTERPOSE(int, access, const char *path, int mode)
{
	char text[TEXT_MAX];
	const char *file;
	const struct xsk_name *name = xsk_file_split(path, &file);

	if (!name)
		return NEXT(access, SYS_access, path, mode);
	if (!*file || xsk_file_text(name, file, text))
		return 0;
	errno = ENOENT;
	return -1;
}
#endif
