/* SPDX-License-Identifier: BSD-2-Clause */
#include "iommu_faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int count_fd = -1; /* never closed */
static cpu_set_t irq_cpu;

static bool read_text(const char *what, int irq, const char *file, char *out, size_t size)
{
	char path[96];
	FILE *f;
	bool got;

	snprintf(path, sizeof(path), "%s/%d/%s", what, irq, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	got = fgets(out, (int)size, f);
	fclose(f);
	return got;
}

bool iommu_faults_find(void)
{
	char text[64];

	for (int irq = 0; count_fd < 0 && irq < 256; irq++) {
		if (!read_text("/sys/kernel/irq", irq, "actions", text, sizeof(text)) ||
		    strncmp(text, "dmar", 4) != 0)
			continue;
		CPU_ZERO(&irq_cpu);
		CPU_SET(read_text("/proc/irq", irq, "effective_affinity_list", text, sizeof(text))
				? atoi(text)
				: 0,
			&irq_cpu);
		snprintf(text, sizeof(text), "/sys/kernel/irq/%d/per_cpu_count", irq);
		count_fd = open(text, O_RDONLY | O_CLOEXEC);
	}
	return count_fd >= 0;
}

uint64_t iommu_faults_count(void)
{
	char text[512], *at = text;
	ssize_t n = pread(count_fd, text, sizeof(text) - 1, 0);
	uint64_t total = 0;

	for (text[n > 0 ? n : 0] = 0; *at; at += *at ? 1 : 0)
		total += strtoull(at, &at, 10);
	return total;
}

void iommu_faults_begin(cpu_set_t *cpus)
{
	if (count_fd < 0)
		return;
	sched_getaffinity(0, sizeof(*cpus), cpus);
	sched_setaffinity(0, sizeof(irq_cpu), &irq_cpu);
}

void iommu_faults_end(const cpu_set_t *cpus)
{
	if (count_fd >= 0)
		sched_setaffinity(0, sizeof(*cpus), cpus);
}
