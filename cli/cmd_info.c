/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `dmamap info`: properties of a device for the DMA API, its address space, and the machine's RAM;
 * or of a model.
 */
#include "cli.h"

#include "domain/device.h"

#include "odp/monitor.h"

#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <stdio.h>

/* A device in place of --device. A model is described, and no device of it is opened. */
static error_t cmd_info_parse(int key, char *arg, struct argp_state *state)
{
	struct cli_common *c = state->input;

	if (key != ARGP_KEY_ARG)
		return common_option(key, arg, state);
	if (c->device)
		argp_error(state, "'%s': give one device only", arg);
	c->device = arg;
	c->by_argument = true;
	return 0;
}

static const struct argp argp = {
	common_options,
	cmd_info_parse,
	"[SPEC]",
	"Masks, limits, address ranges, policy and memory of one device. With sim:NAME or "
	"sim:./FILE.so as the argument: the keys of a model with their defaults, its PCI identity "
	"and its regions.\vThe masks are the initial ones; the driver of the device sets others.",
	NULL,
	NULL,
	NULL};

/* Collected once, printed as text or JSON. */
struct info_facts {
	u64 mask, coherent_mask, required_mask, seg_boundary, merge_boundary;
	size_t max_mapping, opt_mapping;
	unsigned int max_seg, min_align;
	int cache_alignment;
	bool limited, need_sync, events;
	u64 iova_first, iova_last;
	struct dmamap_stats stats;
};

static struct info_facts cmd_info_facts_get(struct device *dev)
{
	struct info_facts f = {.stats.size = sizeof(f.stats)};

	f.mask = dma_get_mask(dev);
	f.coherent_mask = read_once(&dev->coherent_mask);
	f.required_mask = dma_get_required_mask(dev);
	f.limited = dma_addressing_limited(dev);
	f.max_mapping = dma_max_mapping_size(dev);
	f.opt_mapping = dma_opt_mapping_size(dev);
	f.merge_boundary = dma_get_merge_boundary(dev);
	f.cache_alignment = dma_get_cache_alignment();
	f.max_seg = dma_get_max_seg_size(dev);
	f.seg_boundary = dma_get_seg_boundary(dev);
	f.min_align = dma_get_min_align_mask(dev);
	f.need_sync = dma_dev_need_sync(dev);
	/* Page 0 is never allocated; without an IOMMU, addresses are physical. */
	f.iova_first = dev->bus_offset + (dev->iommu ? PAGE_BYTES : 0);
	f.iova_last = dev->bus_offset + (dev->iommu ? 1ull << PT_IOVA_BITS : mem.span) - 1;
	if (f.iova_last > dev->address_last)
		f.iova_last = dev->address_last;
	f.events = monitor_possible();
	dmamap_stats(dev, &f.stats);
	return f;
}

static int cmd_info_show_json(const struct device *dev, const char *spec,
			      const struct info_facts *f)
{
	struct json_object *o = json_object_new_object(), *list, *range, *ram;

	json_put_text(o, "device", spec);
	json_put_text(o, "name", dev_name(dev));
	json_put_text(o, "policy", device_policy(dev));
	json_put_bool(o, "iommu", dev->iommu);
	json_put_bool(o, "coherent", dev->coherent);
	json_put_bool(o, "untrusted", dev->untrusted);
	json_put_u64(o, "mask", f->mask);
	json_put_u64(o, "coherent_mask", f->coherent_mask);
	json_put_u64(o, "required_mask", f->required_mask);
	json_put_bool(o, "addressing_limited", f->limited);
	json_put_u64(o, "max_mapping_size", f->max_mapping);
	json_put_u64(o, "opt_mapping_size", f->opt_mapping);
	json_put_u64(o, "max_seg_size", f->max_seg);
	json_put_u64(o, "seg_boundary", f->seg_boundary);
	json_put_u64(o, "merge_boundary", f->merge_boundary);
	json_put_u64(o, "min_align_mask", f->min_align);
	json_put_u64(o, "cache_alignment", (u64)f->cache_alignment);
	json_put_bool(o, "need_sync", f->need_sync);
	json_put_bool(o, "on_demand_events", f->events);
	list = json_object_new_array();
	for (unsigned int bits = 12; dev->iommu && bits <= 30; bits += 9)
		json_object_array_add(list, json_object_new_uint64(1ull << bits));
	json_object_object_add(o, "page_sizes", list);
	range = json_object_new_object();
	json_put_u64(range, "first", f->iova_first);
	json_put_u64(range, "last", f->iova_last);
	list = json_object_new_array();
	json_object_array_add(list, range);
	json_object_object_add(o, "address_ranges", list);
	json_put_u64(o, "iova_pages", f->stats.iova_pages);
	json_put_u64(o, "table_pages", f->stats.table_pages);
	json_put_u64(o, "coherent_bytes", f->stats.coherent_bytes);
	ram = json_object_new_object();
	json_put_u64(ram, "bytes",
		     mem.low + (mem.span > MEM_DMA32_END ? mem.span - MEM_DMA32_END : 0));
	json_put_u64(ram, "below_4g", mem.low);
	json_put_u64(ram, "last_address", mem.span - 1);
	json_put_u64(ram, "swiotlb_bytes", mem.bounce_size);
	json_object_object_add(o, "ram", ram);
	return json_finish(o);
}

static void cmd_info_show_text(const struct device *dev, const char *spec,
			       const struct info_facts *f)
{
	printf("device            %s (%s)\n", dev_name(dev), spec);
	printf("policy            %s%s%s%s\n", device_policy(dev), dev->iommu ? "" : ", no IOMMU",
	       dev->coherent ? "" : ", not coherent", dev->untrusted ? ", untrusted" : "");
	printf("mask              0x%llx, coherent 0x%llx; 0x%llx is required to reach all RAM%s\n",
	       (unsigned long long)f->mask, (unsigned long long)f->coherent_mask,
	       (unsigned long long)f->required_mask, f->limited ? ": addressing limited" : "");
	printf("addresses         0x%llx to 0x%llx\n", (unsigned long long)f->iova_first,
	       (unsigned long long)f->iova_last);
	printf("page sizes        %s\n", dev->iommu ? "4K 2M 1G" : "none: addresses are physical");
	if (f->max_mapping > SIZE_MAX / 2)
		printf("longest mapping   any");
	else
		printf("longest mapping   %zu bytes", f->max_mapping);
	if (f->opt_mapping > SIZE_MAX / 2)
		printf(", optimal any\n");
	else
		printf(", optimal %zu\n", f->opt_mapping);
	printf("segments          at most %u bytes, boundary 0x%llx, merge boundary 0x%llx\n",
	       f->max_seg, (unsigned long long)f->seg_boundary,
	       (unsigned long long)f->merge_boundary);
	printf("alignment         min_align_mask 0x%x, cache line %d bytes, syncs %s\n",
	       f->min_align, f->cache_alignment, f->need_sync ? "needed" : "not needed");
	printf("on demand         %s\n",
	       f->events ? "the library is notified of unmapped memory (userfaultfd)"
			 : "no userfaultfd: call ib_umem_invalidate_range() before memory is "
			   "unmapped");
	printf("in use            %llu pages of address space, %llu page-table pages, %llu "
	       "coherent bytes\n",
	       (unsigned long long)f->stats.iova_pages, (unsigned long long)f->stats.table_pages,
	       (unsigned long long)f->stats.coherent_bytes);
	printf("RAM               %llu MiB below 4 GiB, %llu MiB above; bounce memory %llu MiB\n",
	       (unsigned long long)(mem.low >> 20),
	       (unsigned long long)(mem.span > MEM_DMA32_END ? (mem.span - MEM_DMA32_END) >> 20
							     : 0),
	       (unsigned long long)(mem.bounce_size >> 20));
}

int cmd_info(int argc, char **argv)
{
	struct cli_common args = {0};
	struct device *dev;
	int status = CLI_DONE;
	struct info_facts f;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (!args.device) {
		fprintf(stderr,
			"dmamap info: give --device SPEC, or sim:NAME for the keys of a model\n");
		return CLI_USAGE;
	}
	if (args.by_argument && info_is_model(args.device))
		return info_model(args.device, args.json);
	dev = device_open(args.device);
	if (!dev)
		return CLI_FAILED;
	f = cmd_info_facts_get(dev);
	if (args.json)
		status = cmd_info_show_json(dev, args.device, &f);
	else
		cmd_info_show_text(dev, args.device, &f);
	dmamap_close(dev);
	return status;
}
