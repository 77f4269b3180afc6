/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks a model's table when it is registered, so that no other code has to: afterwards regions,
 * capabilities and keys are consistent. Each message names the field and the correction.
 */
#include "base/error.h"
#include "base/math.h"
#include "device/config.h"
#include "device/model.h"
#include "device/spec.h"

#include <string.h>

#define MSI_MAX	     32u
#define MSIX_MAX     2048u
#define MEMORY_MIN   16u /* PCI: the smallest memory BAR */
#define PORTS_MIN    4u
#define PORTS_MAX    64u
#define LOW_BYTES    SIM_MEMORY_STEP /* of all regions with 32-bit addresses */
#define REGION_MAX   (1ull << 36)
#define REGION_FLAGS (DMAMAP_BAR_IO | DMAMAP_BAR_64BIT | DMAMAP_BAR_PREFETCH | DMAMAP_BAR_MAPPABLE)

#define model_wrong(ops, fmt, ...) error_set(EINVAL, "model %s: " fmt, (ops)->name, ##__VA_ARGS__)

static bool model_word_ok(const char *text, size_t most, const char *others)
{
	size_t n = 0;

	for (; text && text[n] && n <= most; n++)
		if (!strchr(others, text[n]) && !(text[n] >= '0' && text[n] <= '9') &&
		    !((text[n] | 0x20) >= 'a' && (text[n] | 0x20) <= 'z'))
			return false;
	return n && n <= most;
}

static int model_check_functions(const struct dmamap_model_ops *m)
{
	bool registers = false;

	for (int i = 0; i < DMAMAP_MODEL_REGIONS; i++)
		registers |= m->region[i].size && !(m->region[i].flags & DMAMAP_BAR_MAPPABLE);
	if (!m->create || !m->destroy)
		return model_wrong(m, ".create and .destroy are required");
	if (registers && (!m->read || !m->write))
		return model_wrong(m, ".read and .write are required, as it has registers");
	if (m->pci.intx && !m->line)
		return model_wrong(m, ".pci.intx needs the function .line, which returns the level "
				      "of the interrupt line");
	if (m->flags & ~DMAMAP_MODEL_OWN_THREADS)
		return model_wrong(m, ".flags has unknown bits: %#x", m->flags);
	return 0;
}

static int model_check_key(const struct dmamap_model_ops *m, u32 i)
{
	const struct dmamap_model_key *k = &m->keys[i];
	struct dmamap_model_value value;

	if (!model_word_ok(k->name, 31, "-_") || (k->name[0] >= '0' && k->name[0] <= '9'))
		return model_wrong(m,
				   ".keys[%u].name is not a letter followed by up to 30 "
				   "letters, digits, \"-\" and \"_\"",
				   i);
	if (spec_key_is_common(k->name))
		return model_wrong(m, "the key %s is one of every device: choose another name",
				   k->name);
	if (model_key_find(m, k->name) != (int)i)
		return model_wrong(m, "the key %s is in .keys twice", k->name);
	if (!model_key_type(k->type))
		return model_wrong(m,
				   "the key %s has the type %u: set .type to one of enum "
				   "dmamap_model_key_type",
				   k->name, k->type);
	if (k->type == DMAMAP_MODEL_ENUM && (!k->choices || !k->choices[0]))
		return model_wrong(m, "the key %s has no .choices", k->name);
	if (k->most && k->most < k->least)
		return model_wrong(m, "the key %s has .least above .most", k->name);
	if (k->reserved[0] || k->reserved[1])
		return model_wrong(m, "the key %s has .reserved, which must be 0", k->name);
	if (k->default_value && model_value_parse(m, (int)i, k->default_value, &value)) {
		error_prefix("model %s: the default", m->name);
		return -EINVAL;
	}
	return 0;
}

static int model_check_keys(const struct dmamap_model_ops *m)
{
	int err = 0;

	if (m->n_keys > DMAMAP_MODEL_KEYS_MAX || (m->n_keys && !m->keys))
		return model_wrong(m, ".keys is NULL, or has more than %d entries",
				   DMAMAP_MODEL_KEYS_MAX);
	/* model_key_find() needs all names */
	for (u32 i = 0; i < m->n_keys; i++)
		if (!m->keys[i].name)
			return model_wrong(m,
					   ".keys[%u] has no name; set .n_keys to the number of "
					   "entries",
					   i);
	for (u32 i = 0; i < m->n_keys && !err; i++)
		err = model_check_key(m, i);
	return err;
}

static int model_check_region(const struct dmamap_model_ops *m, u32 i)
{
	const struct dmamap_model_region *r = &m->region[i];
	const bool ports = r->flags & DMAMAP_BAR_IO, mappable = r->flags & DMAMAP_BAR_MAPPABLE;
	const u64 least = mappable ? PAGE_BYTES : ports ? PORTS_MIN : MEMORY_MIN;
	const u64 most = ports ? PORTS_MAX : r->flags & DMAMAP_BAR_64BIT ? REGION_MAX : LOW_BYTES;

	if (!r->size)
		return r->flags || r->access
			       ? model_wrong(m, ".region[%u] has flags and no .size", i)
			       : 0;
	if (!is_pow2(r->size) || r->size < least || r->size > most)
		return model_wrong(m,
				   ".region[%u].size is %llu: it must be a power of two from "
				   "%llu to %llu",
				   i, (unsigned long long)r->size, (unsigned long long)least,
				   (unsigned long long)most);
	if (r->flags & ~REGION_FLAGS || (ports && r->flags != DMAMAP_BAR_IO))
		return model_wrong(m,
				   ".region[%u].flags is %#x: it may have DMAMAP_BAR_IO alone, "
				   "or DMAMAP_BAR_64BIT, _PREFETCH and _MAPPABLE",
				   i, r->flags);
	if ((!r->access && !mappable) || r->access > 15)
		return model_wrong(m,
				   ".region[%u].access is %u: set it to the sum of the access "
				   "sizes 1, 2, 4 and 8 that its registers have",
				   i, r->access);
	if (r->flags & DMAMAP_BAR_64BIT && (i == DMAMAP_MODEL_REGIONS - 1 || m->region[i + 1].size))
		return model_wrong(m,
				   ".region[%u] has a 64-bit address, which needs two BARs: "
				   "leave .region[%u] empty",
				   i, i + 1);
	return 0;
}

/* The end of the regions below 4 GiB, placed one after another as sim_config.c does. */
static u64 model_low_end(const struct dmamap_model_region *r, u64 low)
{
	if (!r->size || r->flags & DMAMAP_BAR_IO ||
	    (r->flags & DMAMAP_BAR_64BIT && r->size > SIM_HIGH_FROM))
		return low;
	return align_up(low, r->size) + r->size;
}

static int model_check_regions(const struct dmamap_model_ops *m)
{
	u64 low = 0;
	int err = 0;

	for (u32 i = 0; i < DMAMAP_MODEL_REGIONS && !err; i++) {
		err = model_check_region(m, i);
		low = err ? low : model_low_end(&m->region[i], low);
	}
	if (!err && low > LOW_BYTES)
		return model_wrong(m,
				   "its regions with 32-bit addresses have %llu bytes, and %llu "
				   "are possible: set DMAMAP_BAR_64BIT for large ones",
				   (unsigned long long)low, (unsigned long long)LOW_BYTES);
	return err;
}

/* A structure of MSI-X is inside a region that the library can intercept. */
static int model_check_msix_place(const struct dmamap_model_ops *m, const char *what, u32 bar,
				  u32 offset, u32 bytes)
{
	const struct dmamap_model_region *r = &m->region[bar < DMAMAP_MODEL_REGIONS ? bar : 0];

	if (bar >= DMAMAP_MODEL_REGIONS || !r->size ||
	    r->flags & (DMAMAP_BAR_IO | DMAMAP_BAR_MAPPABLE))
		return model_wrong(m,
				   ".pci.%s_bar is %u: it must be the number of a region of "
				   "registers in memory",
				   what, bar);
	if (offset % 8 || !range_within(offset, bytes, r->size))
		return model_wrong(m,
				   ".pci.%s_offset is %#x: it must be a multiple of 8, and %u "
				   "bytes from there on must be inside region %u, which has %llu",
				   what, offset, bytes, bar, (unsigned long long)r->size);
	return 0;
}

static int model_check_msix(const struct dmamap_model_ops *m)
{
	const struct dmamap_model_pci *p = &m->pci;
	const u32 table = p->msix * 16u, pending = (p->msix + 63u) / 64 * 8;
	int err;

	if (!p->msix)
		return 0;
	if (p->msix > MSIX_MAX)
		return model_wrong(m, ".pci.msix is %u: at most %u are possible", p->msix,
				   MSIX_MAX);
	err = model_check_msix_place(m, "table", p->table_bar, p->table_offset, table);
	if (!err)
		err = model_check_msix_place(m, "pba", p->pba_bar, p->pba_offset, pending);
	if (!err && p->table_bar == p->pba_bar && p->table_offset < p->pba_offset + pending &&
	    p->pba_offset < p->table_offset + table)
		err = model_wrong(m,
				  "its MSI-X table (%u bytes at %#x) and pending bits (%u bytes at "
				  "%#x) overlap in region %u",
				  table, p->table_offset, pending, p->pba_offset, p->table_bar);
	return err;
}

static int model_check_pci(const struct dmamap_model_ops *m)
{
	const struct dmamap_model_pci *p = &m->pci;
	u64 bytes = 0;

	if (!p->vendor || p->vendor == 0xffff)
		return model_wrong(m,
				   ".pci.vendor is %#x: set it to the vendor's ID; 0x1234 is "
				   "used for devices without one",
				   p->vendor);
	if (p->class_code >> 24)
		return model_wrong(m, ".pci.class_code is %#x: it has 24 bits", p->class_code);
	if (p->msi > MSI_MAX)
		return model_wrong(m, ".pci.msi is %u: at most %u are possible", p->msi, MSI_MAX);
	if (p->n_capabilities > SIM_CAPABILITIES_BYTES / 4 ||
	    (p->n_capabilities && !p->capabilities))
		bytes = CONFIG_BYTES;
	for (u32 i = 0; i < p->n_capabilities && bytes < CONFIG_BYTES; i++)
		bytes += p->capabilities[i].data ? SIM_CAPABILITY_BYTES(p->capabilities[i].length)
						 : CONFIG_BYTES;
	if (bytes > SIM_CAPABILITIES_BYTES)
		return model_wrong(m,
				   ".pci.capabilities is NULL, or has no .data, or needs more than "
				   "%u bytes with 3 bytes for each head",
				   SIM_CAPABILITIES_BYTES);
	if (p->reserved[0] || p->reserved[1] || p->reserved[2] || p->reserved[3])
		return model_wrong(m, ".pci.reserved must be 0");
	return model_check_msix(m);
}

int model_check(const struct dmamap_model_ops *m)
{
	int err;

	if (!model_word_ok(m->name, 24, "._-"))
		return error_set(EINVAL, "a model's .name is not 1 to 24 letters, digits, \".\", "
					 "\"_\" and \"-\"");
	err = model_check_functions(m);
	if (!err)
		err = model_check_keys(m);
	if (!err)
		err = model_check_regions(m);
	return err ? err : model_check_pci(m);
}
