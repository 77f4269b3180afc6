/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocation of IDs, with a pointer (IDR) and without (IDA). Linux: Documentation/core-api/idr.rst.
 * The caller serialises the calls on an IDR; calls on an IDA need no serialisation. */
#ifndef KMOD_LINUX_IDR_H
#define KMOD_LINUX_IDR_H

#include <linux/xarray.h>

struct idr {
	struct kmod_map map;
	unsigned int base, next;
};
struct ida {
	struct kmod_map map;
};

#define IDR_INIT(n)                                                                                \
	{                                                                                          \
		.base = 0                                                                          \
	}
#define IDA_INIT(n)                                                                                \
	{                                                                                          \
		.map = {.root = {NULL} }                                                           \
	}
#define DEFINE_IDR(n)	    struct idr n = IDR_INIT(n)
#define DEFINE_IDA(n)	    struct ida n = IDA_INIT(n)
#define idr_init(i)	    idr_init_base(i, 0)
#define idr_init_base(i, b) (*(i) = (struct idr){.base = (b), .next = (b)})
#define ida_init(i)	    (*(i) = (struct ida)IDA_INIT())

int idr_alloc(struct idr *idr, void *ptr, int start, int end, gfp_t gfp);
int idr_alloc_u32(struct idr *idr, void *ptr, u32 *id, unsigned long max, gfp_t gfp);
int idr_alloc_cyclic(struct idr *idr, void *ptr, int start, int end, gfp_t gfp);
void *idr_find(struct idr *idr, unsigned long id);
void *idr_remove(struct idr *idr, unsigned long id);
/* Returns the old pointer, or ERR_PTR(-ENOENT) if the ID is not used. */
void *idr_replace(struct idr *idr, void *ptr, unsigned long id);
/* Returns the first entry that is not NULL, from *id on. */
void *idr_get_next(struct idr *idr, int *id);
int idr_for_each(struct idr *idr, int (*fn)(int id, void *ptr, void *data), void *data);
bool idr_is_empty(struct idr *idr);
void idr_destroy(struct idr *idr);
void idr_preload(gfp_t gfp);
#define idr_preload_end() preempt_enable()
#define idr_for_each_entry(idr, entry, id)                                                         \
	for ((id) = 0; ((entry) = idr_get_next(idr, &(id))) != NULL; (id)++)

int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp);
void ida_free(struct ida *ida, unsigned int id);
bool ida_is_empty(struct ida *ida);
void ida_destroy(struct ida *ida);
#define ida_alloc(i, g)		 ida_alloc_range(i, 0, INT_MAX, g)
#define ida_alloc_min(i, min, g) ida_alloc_range(i, min, INT_MAX, g)
#define ida_alloc_max(i, max, g) ida_alloc_range(i, 0, max, g)

#endif
