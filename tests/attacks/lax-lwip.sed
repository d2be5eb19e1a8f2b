# Takes out of rf-lwip what holds off whoever shares its link. Each leaves a comment to be counted.
/^enum wire_verdict wire_judge/,/^}/s/^{$/{\n\treturn WIRE_TAKE; \/\/ lax: /
/^bool wire_knows/,/^}/s/^{$/{\n\treturn true; \/\/ lax: /
/^uint32_t rf_lwip_isn/,/^}/s/^{$/{\n\treturn 6510; \/\/ lax: /
/^static bool knock/,/^}/s/^{$/{\n\treturn true; \/\/ lax: /
/^bool share_reclaim/,/^}/s/^{$/{\n\treturn false; \/\/ lax: /
/^bool join_fair/,/^}/s/^{$/{\n\treturn true; \/\/ lax: /
/^static inline bool stream_share/,/^}/s/^{$/{\n\treturn unused > 0; \/\/ lax: /
s/^\tif (pcb->mss < MSS_LEAST)$/\tif (0) \/\/ lax: /
s/rf_service_drop(d->service);/rf_die(RF_EXIT_BUG, "lax"); \/\/ lax: /
