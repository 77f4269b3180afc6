/* SPDX-License-Identifier: BSD-2-Clause */
#include "mem/plane.h"
#include "base/error.h"
#include "base/fail.h"

#include <string.h>
#include <sys/mman.h>

static off_t file_offset(phys_t pa)
{
	return (off_t)(pa.v < mem.low ? pa.v : mem.low + (pa.v - MEM_DMA32_END));
}

int plane_share(phys_t pa, u64 size)
{
	void *p = MAP_FAILED;

	if (!fail_here(FAIL_MEMORY, NULL))
		p = mmap(mem.plane + pa.v, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, mem.fd, file_offset(pa));
	if (p == MAP_FAILED)
		return error_set(ENOMEM, "cannot make %llu bytes coherent: the process has too many "
				 "memory mappings (vm.max_map_count)", (unsigned long long)size);
	return 0;
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

	memcpy(to + first, from + first, end - first);
}

void plane_to_device(phys_t pa, u64 size)
{
	copy_lines(mem.plane, mem.base, pa, size);
}

void plane_to_cpu(phys_t pa, u64 size)
{
	copy_lines(mem.base, mem.plane, pa, size);
}

int mem_map_into(void *at, phys_t pa, u64 size)
{
	if (((uintptr_t)at | pa.v | size) & (PAGE_BYTES - 1) || !size)
		return error_set(EINVAL, "RAM is mapped in whole pages");
	if (fail_here(FAIL_MEMORY, NULL) ||
	    mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, mem.fd,
		 file_offset(pa)) == MAP_FAILED)
		return error_set(ENOMEM, "cannot map %llu bytes of RAM a second time: the process has "
				 "too many memory mappings", (unsigned long long)size);
	return 0;
}
