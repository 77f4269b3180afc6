/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of <xdp/libxdp.h> by which AF_XDP programs load, attach and remove an XDP program.
 * On a name of DMAMAP_XSK they succeed and do nothing, since steer.c does what the program would.
 * On other interfaces, and for objects of libxdp, the real library is called if the process has it.
 *
 * Without libxdp, the functions that create an XDP program return a stand-in, so that an
 * application that is linked with this library alone runs. A stand-in is only passed to functions
 * of this file: an application that calls other functions of libxdp needs libxdp, and then there
 * are no stand-ins.
 */
#include "xdp.h"
#include "interpose.h"
#include "map.h"
#include "name.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#define API DMAMAP_API

/* Debian 12's header does not declare it. */
API int xdp_multiprog__xdp_dev_bound(const struct xdp_multiprog *mp);

/* A program that was attached to a name, or a stand-in. Under `lock`. */
struct xsk_xdp_record {
	struct xsk_xdp_record *next;
	const struct xdp_program *prog; /* of libxdp; for a stand-in, this record */
	unsigned int index;		/* of the name; 0: it is not attached */
	int fd;				/* the stand-in of the program; -1: none yet */
	bool standin;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_xdp_record *records;
/* The result of xdp_multiprog__get_from_ifindex() for a name. */
static char multiprog;

/*
 * Returns the next definition of a function that the header declares, or NULL if there is no
 * libxdp.
 */
#define XDP_NEXT(name) NEXT_FN(__typeof__(&name), name)

/* The caller holds `lock`. */
static struct xsk_xdp_record *xsk_xdp_find(const struct xdp_program *prog)
{
	struct xsk_xdp_record *r;

	for (r = records; r && r->prog != prog; r = r->next)
		;
	return r;
}

static bool xsk_xdp_is_standin(const struct xdp_program *prog)
{
	struct xsk_xdp_record *r;
	bool is;

	pthread_mutex_lock(&lock);
	r = xsk_xdp_find(prog);
	is = r && r->standin;
	pthread_mutex_unlock(&lock);
	return is;
}

/* The caller holds `lock`. NULL: no memory. */
static struct xsk_xdp_record *xsk_xdp_new(const struct xdp_program *prog)
{
	struct xsk_xdp_record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->standin = !prog;
	r->prog = prog ? prog : (const struct xdp_program *)(const void *)r;
	r->fd = -1;
	r->next = records;
	records = r;
	return r;
}

static struct xdp_program *xsk_xdp_make_standin(void)
{
	struct xsk_xdp_record *r;

	pthread_mutex_lock(&lock);
	r = xsk_xdp_new(NULL);
	pthread_mutex_unlock(&lock);
	if (!r)
		errno = ENOMEM;
	return (struct xdp_program *)(void *)r;
}

bool xsk_xdp_attached(unsigned int index)
{
	struct xsk_xdp_record *r;

	pthread_mutex_lock(&lock);
	for (r = records; r && r->index != index; r = r->next)
		;
	pthread_mutex_unlock(&lock);
	return r != NULL;
}

/* Returns 1 if the interface is the system's. */
static int xsk_xdp_attach(const struct xdp_program *prog, int ifindex, bool on)
{
	struct xsk_xdp_record *r;
	int err = 0;

	if (!xsk_name_by_index((unsigned int)ifindex))
		return 1;
	pthread_mutex_lock(&lock);
	r = xsk_xdp_find(prog);
	if (!r && on)
		r = xsk_xdp_new(prog);
	if (r)
		r->index = on ? (unsigned int)ifindex : 0;
	else if (on)
		err = -ENOMEM;
	pthread_mutex_unlock(&lock);
	return err;
}

API struct xdp_program *xdp_program__open_file(const char *filename, const char *section_name,
					       struct bpf_object_open_opts *opts)
{
	__typeof__(&xdp_program__open_file) next = XDP_NEXT(xdp_program__open_file);

	return next ? next(filename, section_name, opts) : xsk_xdp_make_standin();
}

API struct xdp_program *xdp_program__find_file(const char *filename, const char *section_name,
					       struct bpf_object_open_opts *opts)
{
	__typeof__(&xdp_program__find_file) next = XDP_NEXT(xdp_program__find_file);

	return next ? next(filename, section_name, opts) : xsk_xdp_make_standin();
}

API struct xdp_program *xdp_program__create(struct xdp_program_opts *opts)
{
	__typeof__(&xdp_program__create) next = XDP_NEXT(xdp_program__create);

	return next ? next(opts) : xsk_xdp_make_standin();
}

API struct xdp_program *xdp_program__from_bpf_obj(struct bpf_object *obj, const char *section_name)
{
	__typeof__(&xdp_program__from_bpf_obj) next = XDP_NEXT(xdp_program__from_bpf_obj);

	return next ? next(obj, section_name) : xsk_xdp_make_standin();
}

API void xdp_program__close(struct xdp_program *prog)
{
	__typeof__(&xdp_program__close) next = XDP_NEXT(xdp_program__close);
	struct xsk_xdp_record *r, **at;
	bool standin = false;

	pthread_mutex_lock(&lock);
	for (at = &records; *at && (*at)->prog != prog; at = &(*at)->next)
		;
	r = *at;
	if (r) {
		*at = r->next;
		standin = r->standin;
		if (r->fd >= 0)
			close(r->fd);
		free(r);
	}
	pthread_mutex_unlock(&lock);
	if (!standin && next)
		next(prog);
}

API struct bpf_object *xdp_program__bpf_obj(struct xdp_program *prog)
{
	__typeof__(&xdp_program__bpf_obj) next = XDP_NEXT(xdp_program__bpf_obj);

	return next && !xsk_xdp_is_standin(prog) ? next(prog) : NULL;
}

/* Returns the descriptor of a loaded program, or a stand-in for one that is attached to a name. */
API int xdp_program__fd(const struct xdp_program *prog)
{
	__typeof__(&xdp_program__fd) next = XDP_NEXT(xdp_program__fd);
	int fd = -ENOENT;
	struct xsk_xdp_record *r;

	pthread_mutex_lock(&lock);
	r = xsk_xdp_find(prog);
	if (r) {
		if (r->fd < 0)
			r->fd = xsk_map_make(XSK_MAP_PROGRAM);
		fd = r->fd;
	}
	pthread_mutex_unlock(&lock);
	return r || !next ? fd : next(prog);
}

API int xdp_program__attach(struct xdp_program *prog, int ifindex, enum xdp_attach_mode mode,
			    unsigned int flags)
{
	__typeof__(&xdp_program__attach) next = XDP_NEXT(xdp_program__attach);
	int err = xsk_xdp_attach(prog, ifindex, true);

	if (err <= 0)
		return err;
	return next ? next(prog, ifindex, mode, flags) : -EOPNOTSUPP;
}

API int xdp_program__detach(struct xdp_program *prog, int ifindex, enum xdp_attach_mode mode,
			    unsigned int flags)
{
	__typeof__(&xdp_program__detach) next = XDP_NEXT(xdp_program__detach);
	int err = xsk_xdp_attach(prog, ifindex, false);

	if (err <= 0)
		return err;
	return next ? next(prog, ifindex, mode, flags) : -EOPNOTSUPP;
}

API int xdp_program__attach_multi(struct xdp_program **progs, size_t n, int ifindex,
				  enum xdp_attach_mode mode, unsigned int flags)
{
	__typeof__(&xdp_program__attach_multi) next = XDP_NEXT(xdp_program__attach_multi);
	int err = xsk_name_by_index((unsigned int)ifindex) ? 0 : 1;

	for (size_t i = 0; !err && i < n; i++)
		err = xsk_xdp_attach(progs[i], ifindex, true);
	if (err <= 0)
		return err;
	return next ? next(progs, n, ifindex, mode, flags) : -EOPNOTSUPP;
}

API int xdp_program__detach_multi(struct xdp_program **progs, size_t n, int ifindex,
				  enum xdp_attach_mode mode, unsigned int flags)
{
	__typeof__(&xdp_program__detach_multi) next = XDP_NEXT(xdp_program__detach_multi);
	int err = xsk_name_by_index((unsigned int)ifindex) ? 0 : 1;

	for (size_t i = 0; !err && i < n; i++)
		err = xsk_xdp_attach(progs[i], ifindex, false);
	if (err <= 0)
		return err;
	return next ? next(progs, n, ifindex, mode, flags) : -EOPNOTSUPP;
}

API enum xdp_attach_mode xdp_program__is_attached(const struct xdp_program *prog, int ifindex)
{
	__typeof__(&xdp_program__is_attached) next = XDP_NEXT(xdp_program__is_attached);
	struct xsk_xdp_record *r;
	bool on;

	pthread_mutex_lock(&lock);
	r = xsk_xdp_find(prog);
	on = r && r->index && r->index == (unsigned int)ifindex;
	pthread_mutex_unlock(&lock);
	if (on)
		return XDP_MODE_NATIVE;
	return next && !xsk_name_by_index((unsigned int)ifindex) ? next(prog, ifindex)
								 : XDP_MODE_UNSPEC;
}

static bool xsk_xdp_is_ours(const struct xdp_multiprog *mp)
{
	return (const void *)mp == (const void *)&multiprog;
}

API struct xdp_multiprog *xdp_multiprog__get_from_ifindex(int ifindex)
{
	__typeof__(&xdp_multiprog__get_from_ifindex) next =
		XDP_NEXT(xdp_multiprog__get_from_ifindex);

	if (xsk_name_by_index((unsigned int)ifindex))
		return (struct xdp_multiprog *)(void *)&multiprog;
	if (next)
		return next(ifindex);
	errno = ENOENT;
	return NULL;
}

/* Functions of a multiprog. That of a name has no programs and can be detached at any time. */
#define MULTIPROG(type, name, value, params, ...)                                                  \
	API type name params                                                                       \
	{                                                                                          \
		__typeof__(&name) next = XDP_NEXT(name);                                           \
                                                                                                   \
		return next && !xsk_xdp_is_ours(mp) ? next(__VA_ARGS__) : (value);                 \
	}

MULTIPROG(int, xdp_multiprog__detach, 0, (struct xdp_multiprog * mp), mp)
MULTIPROG(enum xdp_attach_mode, xdp_multiprog__attach_mode, XDP_MODE_NATIVE,
	  (const struct xdp_multiprog *mp), mp)
MULTIPROG(bool, xdp_multiprog__is_legacy, false, (const struct xdp_multiprog *mp), mp)
MULTIPROG(int, xdp_multiprog__program_count, 0, (const struct xdp_multiprog *mp), mp)
MULTIPROG(bool, xdp_multiprog__xdp_frags_support, true, (const struct xdp_multiprog *mp), mp)
MULTIPROG(int, xdp_multiprog__xdp_dev_bound, 0, (const struct xdp_multiprog *mp), mp)
MULTIPROG(struct xdp_program *, xdp_multiprog__main_prog, NULL, (const struct xdp_multiprog *mp),
	  mp)
MULTIPROG(struct xdp_program *, xdp_multiprog__hw_prog, NULL, (const struct xdp_multiprog *mp), mp)
MULTIPROG(struct xdp_program *, xdp_multiprog__next_prog, NULL,
	  (const struct xdp_program *prog, const struct xdp_multiprog *mp), prog, mp)

API void xdp_multiprog__close(struct xdp_multiprog *mp)
{
	__typeof__(&xdp_multiprog__close) next = XDP_NEXT(xdp_multiprog__close);

	if (next && !xsk_xdp_is_ours(mp))
		next(mp);
}

/* Returns the error in a pointer that one of the functions returned, or 0 if it is none. */
API long libxdp_get_error(const void *ptr)
{
	__typeof__(&libxdp_get_error) next = XDP_NEXT(libxdp_get_error);

	if (next)
		return next(ptr);
	return !ptr || (uintptr_t)ptr > (uintptr_t)-4096 ? -(ptr ? -(long)ptr : errno) : 0;
}

API int libxdp_strerror(int err, char *buf, size_t size)
{
	__typeof__(&libxdp_strerror) next = XDP_NEXT(libxdp_strerror);

	if (next)
		return next(err, buf, size);
	if (!buf || !size)
		return -EINVAL;
	strncpy(buf, strerror(err < 0 ? -err : err), size - 1);
	buf[size - 1] = '\0';
	return 0;
}

API libxdp_print_fn_t libxdp_set_print(libxdp_print_fn_t fn)
{
	__typeof__(&libxdp_set_print) next = XDP_NEXT(libxdp_set_print);

	return next ? next(fn) : NULL;
}

API int libxdp_clean_references(int ifindex)
{
	__typeof__(&libxdp_clean_references) next = XDP_NEXT(libxdp_clean_references);

	if (xsk_name_by_index((unsigned int)ifindex))
		return 0;
	return next ? next(ifindex) : -EOPNOTSUPP;
}
