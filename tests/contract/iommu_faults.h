/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often the kernel's IOMMU refused something. It tells no process, but counts its fault
 * interrupts (Documentation/ABI/testing/sysfs-kernel-irq): one at least for each refusal, more for
 * several at once.
 */
#ifndef TESTS_CONTRACT_IOMMU_FAULTS_H
#define TESTS_CONTRACT_IOMMU_FAULTS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* False: this kernel has no such interrupt. */
bool iommu_faults_find(void);

uint64_t iommu_faults_count(void);

/*
 * Around an access and the counts before and after it: the thread runs on the processor that takes
 * the interrupt, so that it has come before the end of the access is seen.
 */
void iommu_faults_begin(cpu_set_t *cpus);
void iommu_faults_end(const cpu_set_t *cpus);

#endif
