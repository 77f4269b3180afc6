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

/*
 * Atomic counts, one for each cache line. A count that reaches LINE_FULL no longer changes, since
 * the true number is then unknown; no correct program has so many list entries for one line.
 */
#define LINE_FULL UINT32_MAX

u64 cpu_cache_counts_size(u64 span)
{
	return span / MEM_CACHE_LINE * sizeof(u32);
}

static u32 *cpu_cache_counts(void)
{
	return (u32 *)(void *)(read_once(&mem.device_view) + mem.span);
}

/* Computes the numbers of the first line and of the line after the range. */
static void cpu_cache_lines(phys_t pa, u64 size, u64 *first, u64 *end)
{
	*first = pa.v / MEM_CACHE_LINE;
	*end = (pa.v + size - 1) / MEM_CACHE_LINE + 1;
}

static bool cpu_cache_line_add(u32 *count, u32 n)
{
	u32 old = read_once(count);

	do {
		if (old == LINE_FULL)
			return true;
		if (!old && n != 1)
			return false;
	} while (!__atomic_compare_exchange_n(count, &old, old + n, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

void cpu_cache_hold(phys_t pa, u64 size)
{
	u32 *counts = cpu_cache_counts();
	u64 first, end;

	cpu_cache_lines(pa, size, &first, &end);
	for (; first < end; first++)
		cpu_cache_line_add(&counts[first], 1);
}

bool cpu_cache_drop(phys_t pa, u64 size)
{
	u32 *counts = cpu_cache_counts();
	u64 first, end, line;

	if (!size)
		return false;
	cpu_cache_lines(pa, size, &first, &end);
	for (line = first; line < end; line++)
		if (!cpu_cache_line_add(&counts[line], (u32)-1))
			break;
	if (line == end)
		return true;
	while (line > first)
		cpu_cache_line_add(&counts[--line], 1);
	return false;
}

bool cpu_cache_held(phys_t pa, u64 size)
{
	const u32 *counts = cpu_cache_counts();
	u64 first, end;

	if (!size)
		return false;
	for (cpu_cache_lines(pa, size, &first, &end); first < end; first++)
		if (!read_once(&counts[first]))
			return false;
	return true;
}

static void cpu_cache_copy_lines(u8 *to, const u8 *from, phys_t pa, u64 size)
{
	u64 first = align_down(pa.v, MEM_CACHE_LINE);
	u64 end = align_up(pa.v + size, MEM_CACHE_LINE);

	copy_unchecked(to + first, from + first, end - first);
}

void cpu_cache_clean(phys_t pa, u64 size)
{
	cpu_cache_copy_lines(mem.device_view, mem.base, pa, size);
}

void cpu_cache_invalidate(phys_t pa, u64 size)
{
	cpu_cache_copy_lines(mem.base, mem.device_view, pa, size);
}
