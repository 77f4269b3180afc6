/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All CONFIG_ options that are set for drivers; `dmamap kmod names` prints this list. Others are
 * not set: power management, ACPI, PTP, device trees and debugfs are absent, so drivers leave out
 * the code for them.
 */
#ifndef KMOD_CONFIG_H
#define KMOD_CONFIG_H

#define CONFIG_64BIT		  1
#define CONFIG_X86		  1
#define CONFIG_X86_64		  1
#define CONFIG_SMP		  1
#define CONFIG_NET		  1
#define CONFIG_INET		  1
#define CONFIG_PCI		  1
#define CONFIG_PCI_MSI		  1
#define CONFIG_HAS_DMA		  1
#define CONFIG_HAS_IOMEM	  1
#define CONFIG_HAS_IOPORT	  1
#define CONFIG_NEED_DMA_MAP_STATE 1
#define CONFIG_MODULES		  1
#define CONFIG_MII		  1
#define CONFIG_HZ		  1000
#define CONFIG_VLAN_8021Q	  1
#define CONFIG_LOCKDEP		  1
#define CONFIG_NR_CPUS		  2

#endif
