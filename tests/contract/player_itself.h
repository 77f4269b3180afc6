/* SPDX-License-Identifier: BSD-2-Clause */
/* Included by a player, because it must call the library's own functions of <dmamap/bus.h>. */
#undef dmamap_open
#undef dmamap_close
#undef dmamap_bus_read
#undef dmamap_bus_write
#undef dmamap_bus_fault_next
