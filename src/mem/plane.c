/* SPDX-License-Identifier: BSD-2-Clause */
#include "mem/plane.h"
#include "base/copy.h"
#include "base/error.h"

#include <sys/mman.h>

int plane_share(phys_t pa, u64 size)
{
	return mem_map_at(mem.plane + pa.v, pa, size, PROT_READ | PROT_WRITE);
}

void plane_part(phys_t pa, u64 size)
{
	int saved = errno;

	if (mmap(mem.plane + pa.v, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		errno = saved;
}

static void copy_lines(u8 *to, const u8 *from, phys_t pa, u64 size)
{
	u64 first = align_down(pa.v, MEM_CACHE_LINE);
	u64 end = align_up(pa.v + size, MEM_CACHE_LINE);

	copy_unchecked(to + first, from + first, end - first);
}

void plane_to_device(phys_t pa, u64 size)
{
	copy_lines(mem.plane, mem.base, pa, size);
}

void plane_to_cpu(phys_t pa, u64 size)
{
	copy_lines(mem.base, mem.plane, pa, size);
}
