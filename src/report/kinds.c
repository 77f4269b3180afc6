/* SPDX-License-Identifier: BSD-2-Clause */
/* Names and meanings of the kinds. `dmamap check list` prints them; docs/checker.md explains them.
 */
#include "report/misuse.h"

static const struct {
	const char *name, *meaning;
} kinds[DMAMAP_CHECK_KINDS] = {
#define KIND(id, name, meaning) [DMAMAP_CHECK_##id] = {name, meaning}
	KIND(BAD_ARGUMENT, "bad-argument",
	     "no direction, size 0, or memory that cannot be mapped so"),
	KIND(UNMAP_NOT_MAPPED, "unmap-not-mapped", "unmap of an address where no mapping begins"),
	KIND(UNMAP_TWICE, "unmap-twice", "unmap of what was unmapped already"),
	KIND(UNMAP_DEVICE, "unmap-device", "unmap of what another device mapped"),
	KIND(UNMAP_SIZE, "unmap-size", "unmap with another size than was mapped"),
	KIND(UNMAP_DIRECTION, "unmap-direction", "unmap with another direction than was mapped"),
	KIND(UNMAP_FUNCTION, "unmap-function", "unmap by the function of another kind of mapping"),
	KIND(UNMAP_SG_COUNT, "unmap-sg-count",
	     "unmap of a scatterlist with another count than was passed to map"),
	KIND(UNMAP_ATTRS, "unmap-attrs", "unmap or free with other attributes"),
	KIND(COHERENT_NOT_OWNED, "coherent-not-owned",
	     "free of what is no coherent memory of the device"),
	KIND(COHERENT_TWICE, "coherent-twice", "coherent memory freed a second time"),
	KIND(COHERENT_MISMATCH, "coherent-mismatch",
	     "coherent memory freed with another size or address"),
	KIND(MAP_UNCHECKED, "map-unchecked",
	     "dma_mapping_error() not asked before the address was used or unmapped"),
	KIND(MAP_STACK, "map-stack", "memory of the stack mapped"),
	KIND(MAP_TEXT, "map-text", "program text or read-only data mapped"),
	KIND(MAP_FREED, "map-freed", "memory mapped that AddressSanitizer has as freed"),
	KIND(MAP_OVERLAP, "map-overlap",
	     "a cache line mapped twice, and one of the two may be written"),
	KIND(MAP_COHERENT, "map-coherent", "coherent memory mapped again"),
	KIND(MAP_RESOURCE, "map-resource", "memory mapped as a resource"),
	KIND(MAP_NO_MASK, "map-no-mask", "mapped before any DMA mask was set"),
	KIND(PAGE_STRUCT, "page-struct", "a struct page used in place of its memory"),
	KIND(SEGMENT_SIZE, "segment-size", "a segment longer than the device declared"),
	KIND(SEGMENT_BOUNDARY, "segment-boundary",
	     "a segment across the boundary that the device declared"),
	KIND(SYNC_NOT_MAPPED, "sync-not-mapped", "sync of an address that is not mapped"),
	KIND(SYNC_RANGE, "sync-range", "sync beyond the end of the mapping"),
	KIND(SYNC_DIRECTION, "sync-direction", "sync with another direction than was mapped"),
	KIND(SYNC_SG_COUNT, "sync-sg-count",
	     "sync of a scatterlist with another count than was passed to map"),
	KIND(SYNC_FOR_CPU, "sync-for-cpu", "sync for the CPU of what the device only reads"),
	KIND(SYNC_FOR_DEVICE, "sync-for-device", "sync for the device of what it only writes"),
	KIND(SYNC_MISSING, "sync-missing",
	     "the device read old bytes: dma_sync_single_for_device() is missing"),
	KIND(OWN_CPU_WRITE, "own-cpu-write", "the CPU wrote what the device owned"),
	KIND(OWN_CPU_READ, "own-cpu-read",
	     "the CPU read what the device may be writing: dma_sync_single_for_cpu() is missing"),
	KIND(OWN_DEVICE, "own-device", "the device wrote what the CPU owned"),
	KIND(DEVICE_FAULT, "device-fault", "the device was refused an access"),
	KIND(DEVICE_NOT_MAPPED, "device-not-mapped",
	     "the device reached memory that is not mapped for it"),
	KIND(DEVICE_AFTER_UNMAP, "device-after-unmap", "the device used a mapping after its unmap"),
	KIND(DEVICE_PAST_END, "device-past-end", "the device went past the end of a mapping"),
	KIND(DEVICE_DIRECTION, "device-direction", "the device went against a mapping's direction"),
	KIND(DEVICE_STALE, "device-stale",
	     "the device got through by a stale translation (policy=lazy)"),
	KIND(DEVICE_STUCK, "device-stuck", "the device held segments for over a second"),
	KIND(MEMORY_GONE, "memory-gone",
	     "memory left the process, or was protected, while it was mapped"),
	KIND(POOL_BUSY, "pool-busy", "a pool destroyed with blocks in use"),
	KIND(POOL_DOUBLE_FREE, "pool-double-free", "a pool's block freed twice"),
	KIND(POOL_WRONG, "pool-wrong", "not a block of the pool, or not with this DMA address"),
	KIND(POOL_OTHER, "pool-other", "a block freed to another pool"),
	KIND(POOL_INSIDE, "pool-inside", "a pointer into a block freed, not its beginning"),
	KIND(POOL_WRITTEN, "pool-written", "a pool's block was written after it was freed"),
	KIND(IOVA_NOT_LINKED, "iova-not-linked",
	     "unlink or sync of a part of a two-step range where nothing is linked"),
	KIND(IOVA_LINKED, "iova-linked", "a two-step range freed with links in it"),
	KIND(IOVA_DIRECTION, "iova-direction", "unlinked with another direction than linked"),
	KIND(IOVA_ATTRS, "iova-attrs", "unlinked with other attributes than linked"),
	KIND(IOVA_NOT_SYNCED, "iova-not-synced", "the device used a link before dma_iova_sync()"),
	KIND(XSK_TWICE, "xsk-twice", "an XSK buffer freed or given on a second time"),
	KIND(XSK_KEPT, "xsk-kept",
	     "XSK buffers that the driver never gave back when their pool left its queue"),
	KIND(XSK_BUSY, "xsk-busy",
	     "an XSK pool's UMEM unmapped while the driver still had buffers of it"),
	KIND(FREE_MAPPED, "free-mapped", "memory freed while a mapping of it is live"),
	KIND(FREE_WRONG, "free-wrong",
	     "memory freed by another address than was allocated, or freed already"),
	KIND(LEAK, "leak", "still mapped or allocated when the device was closed"),
#undef KIND
};

const char *dmamap_check_name(int kind)
{
	return kind > 0 && kind < DMAMAP_CHECK_KINDS ? kinds[kind].name : NULL;
}

const char *dmamap_check_meaning(int kind)
{
	return kind > 0 && kind < DMAMAP_CHECK_KINDS ? kinds[kind].meaning : NULL;
}
