/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model in a shared object, for test_model_object.c. Register 0 stores a word, register 8 counts
 * the devices of the object. OBJECT_* in the build file make it one of the wrong ones.
 */
#include <dmamap/model.h>
#include <errno.h>

#ifndef OBJECT_NAME
#define OBJECT_NAME "object"
#endif
#ifndef OBJECT_VERSION
#define OBJECT_VERSION DMAMAP_MODEL_VERSION
#endif
#ifndef OBJECT_TABLE_BAR
#define OBJECT_TABLE_BAR 0
#endif

struct object {
	struct dmamap_model_lock lock;
	u32 word;
};

static u32 objects;

static int object_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct object *o = dmamap_model_alloc(sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (values[0].number) {
		dmamap_model_free(o);
		return dmamap_model_error(EIO, "sim:object has fail=1: it does not start");
	}
	__atomic_add_fetch(&objects, 1, __ATOMIC_RELAXED);
	*model = o;
	return 0;
}

static void object_destroy(void *model)
{
	__atomic_sub_fetch(&objects, 1, __ATOMIC_RELAXED);
	dmamap_model_free(model);
}

static u64 object_read(void *model, int bar, u64 offset, unsigned int size)
{
	struct object *o = model;
	u64 value = ~0ull;

	dmamap_model_lock(&o->lock);
	if (!offset)
		value = o->word;
	else if (offset == 8)
		value = __atomic_load_n(&objects, __ATOMIC_RELAXED);
	dmamap_model_unlock(&o->lock);
	return value;
}

static void object_write(void *model, int bar, u64 offset, unsigned int size, u64 value)
{
	struct object *o = model;

	dmamap_model_lock(&o->lock);
	if (!offset)
		o->word = (u32)value;
	dmamap_model_unlock(&o->lock);
}

static const struct dmamap_model_key object_keys[] = {
	{.name = "fail",
	 .type = DMAMAP_MODEL_BOOL,
	 .help = "1: create fails",
	 .default_value = "0"},
};

/* With OBJECT_LARGER it is a table of a newer version, whose last field this version lacks. */
__attribute__((unused)) static const struct {
	struct dmamap_model_ops ops;
	u64 more;
} object_table = {
	.ops = {.size = sizeof(struct dmamap_model_ops)
#ifdef OBJECT_LARGER
			+ sizeof(u64)
#endif
#ifdef OBJECT_SMALLER
			- sizeof(u64)
#endif
			,
		.version = OBJECT_VERSION,
		.name = OBJECT_NAME,
		.help = "a model of the tests",
		.keys = object_keys,
		.n_keys = 1,
		.pci = {.vendor = 0x1234,
			.device = 1,
			.msix = 1,
			.table_bar = OBJECT_TABLE_BAR,
			.table_offset = 0x800,
			.pba_offset = 0xc00},
		.region = {{.size = 4096, .access = 4},
			   {.size = 4096, .flags = DMAMAP_BAR_MAPPABLE}},
		.create = object_create,
		.destroy = object_destroy,
		.read = object_read,
		.write = object_write},
#ifdef OBJECT_LARGER
	.more = OBJECT_LARGER,
#endif
};

#ifndef OBJECT_NO_ENTRY
const struct dmamap_model_ops *dmamap_model_entry(u32 version)
{
#ifdef OBJECT_REFUSES
	return NULL;
#endif
	return version == DMAMAP_MODEL_VERSION ? &object_table.ops : NULL;
}
#endif
