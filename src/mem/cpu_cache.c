/* SPDX-License-Identifier: BSD-2-Clause */
#include "mem/cpu_cache.h"
#include "base/copy.h"
#include "base/error.h"
#include "mem/ram.h"

#include <sys/mman.h>

int cpu_cache_share(phys_t pa, u64 size)
{
	return mem_map_at(mem.device_view + pa.v, pa, size, PROT_READ | PROT_WRITE);
}

void cpu_cache_unshare(phys_t pa, u64 size)
{
	int saved = errno;

	if (!mem_map_zero(mem.device_view + pa.v, size, PROT_READ | PROT_WRITE))
		errno = saved;
}

static void copy_lines(u8 *to, const u8 *from, phys_t pa, u64 size)
{
	u64 first = align_down(pa.v, MEM_CACHE_LINE);
	u64 end = align_up(pa.v + size, MEM_CACHE_LINE);

	copy_unchecked(to + first, from + first, end - first);
}

void cpu_cache_clean(phys_t pa, u64 size)
{
	copy_lines(mem.device_view, mem.base, pa, size);
}

void cpu_cache_invalidate(phys_t pa, u64 size)
{
	copy_lines(mem.base, mem.device_view, pa, size);
}
