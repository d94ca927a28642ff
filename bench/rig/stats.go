package rig

import "slices"

// Median of the values, the mean of the middle two of an even number; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Differences pairs rounds as Ratios does.
func Differences(values, references []float64) []float64 {
	var list []float64
	for i := range min(len(values), len(references)) {
		list = append(list, values[i]-references[i])
	}
	return list
}

// Ratios pairs rounds that ran one after the other. A reference of 0 gives no ratio.
func Ratios(values, references []float64) []float64 {
	var list []float64
	for i := range min(len(values), len(references)) {
		if references[i] != 0 {
			list = append(list, values[i]/references[i])
		}
	}
	return list
}
