/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scalar types of kernel code: those of UAPI headers, of dmamap, and those that only the kernel
 * has.
 */
#ifndef KMOD_LINUX_TYPES_H
#define KMOD_LINUX_TYPES_H

#include_next <linux/types.h>
#include <dmamap/types.h>

typedef __kernel_ssize_t ssize_t;
typedef __kernel_off_t off_t;
typedef __kernel_loff_t loff_t;
typedef __kernel_pid_t pid_t;
typedef __u32 dev_t;
typedef unsigned short umode_t;
typedef unsigned int fmode_t;
typedef unsigned char u_char;
typedef unsigned short ushort;
typedef unsigned int uint, u_int;
typedef unsigned long ulong;
typedef long long time64_t;
typedef phys_addr_t resource_size_t;
typedef u64 netdev_features_t;
typedef s64 ktime_t;
typedef unsigned int pci_channel_state_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t, atomic_long_t;

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct callback_head {
	struct callback_head *next;
	void (*func)(struct callback_head *head);
};
#define rcu_head callback_head

#endif
