/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The number of accesses that the kernel's IOMMU refused. The kernel reports them to no process,
 * but it counts fault interrupts (Documentation/ABI/testing/sysfs-kernel-irq). Every refusal is
 * followed by an interrupt; refusals at the same time may share one.
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
 * To be called around an access and the counts before and after it: the thread runs on the
 * processor that handles the interrupt, so that the interrupt is counted before the thread sees the
 * end of the access.
 */
void iommu_faults_begin(cpu_set_t *cpus);
void iommu_faults_end(const cpu_set_t *cpus);

#endif
